//! What is made from the command line's definition and lies in docs/: the manual page and the shells' completions. And
//! the book: every page is in it, and every link leads somewhere.
#![cfg(feature = "server")]

use clap_complete::{Shell, generate};
use damselfly::server::cli;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Compares with the file, or writes it where `UPDATE_DOCS` is set.
fn is_current(name: &str, text: &str) -> bool {
    let path = docs().join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(&path, text).expect("it can be written");
    }
    fs::read_to_string(&path).is_ok_and(|found| found == text)
}

/// The command line as it is with all features, whatever this test was built with.
fn is_whole() -> bool {
    cfg!(feature = "testkit")
}

#[test]
fn the_manual_page_is_current() {
    if !is_whole() {
        return;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(cli::documented()).render(&mut page).expect("a page");
    let page = String::from_utf8(page).expect("text");
    assert!(page.contains("admin\\-port") && page.contains("import"));
    assert!(is_current("man/damselfly.1", &page), "UPDATE_DOCS=1 cargo test --test manual");
}

#[test]
fn the_shells_completions_are_current() {
    if !is_whole() {
        return;
    }
    let shells =
        [(Shell::Bash, "damselfly.bash"), (Shell::Zsh, "_damselfly"), (Shell::Fish, "damselfly.fish")];
    for (shell, name) in shells {
        let mut script = Vec::new();
        generate(shell, &mut cli::documented(), "damselfly", &mut script);
        let script = String::from_utf8(script).expect("text");
        let name = format!("completions/{name}");
        assert!(is_current(&name, &script), "{name}: UPDATE_DOCS=1 cargo test --test manual");
    }
}

/// Targets of a page's links to files, relative to the page.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for after in line.split("](").skip(1) {
            let target = after.split([')', ' ', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_page_is_in_the_book_and_every_link_leads_somewhere() {
    let summary = fs::read_to_string(docs().join("SUMMARY.md")).expect("the book has a table of contents");
    let listed: BTreeSet<String> = links(&summary).into_iter().collect();
    let mut pages: Vec<PathBuf> = Vec::new();
    let mut folders = vec![docs()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                pages.push(path);
            }
        }
    }
    let mut wrong = Vec::new();
    for page in pages {
        let name = page.strip_prefix(docs()).expect("it is below docs").to_string_lossy().into_owned();
        if name != "SUMMARY.md" && !listed.contains(&name) {
            wrong.push(format!("{name} is not in SUMMARY.md"));
        }
        let text = fs::read_to_string(&page).expect("a page");
        for link in links(&text) {
            if !page.parent().expect("a folder").join(&link).exists() {
                wrong.push(format!("{name}: {link} leads nowhere"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
