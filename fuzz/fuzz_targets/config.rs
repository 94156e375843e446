//! Configuration files, and values for CONFIG SET.
//!
//! Input: the text of a file; behind a line `!` each further line is a name and a value for CONFIG SET. `include` is
//! left out, which reads other files. Checked, besides that nothing panics:
//! 1. a file is refused with the place of what is wrong, or makes settings that are right;
//! 2. what CONFIG GET says of a setting is taken by CONFIG SET, and changes nothing;
//! 3. CONFIG REWRITE into an empty file, and into this one, makes a file of the same settings, and a second time the
//!    same file.
#![no_main]

use damselfly::config::{Config, ConfigText, Settings};
use libfuzzer_sys::fuzz_target;
use std::path::{Path, PathBuf};

fuzz_target!(|data: &[u8]| {
    let lower = data.to_ascii_lowercase();
    // Quotes and backslashes can spell the word in other ways.
    let letters: Vec<u8> = lower.iter().copied().filter(u8::is_ascii_alphabetic).collect();
    if letters.windows(7).any(|word| word == b"include") || lower.windows(2).any(|word| word == b"\\x") {
        return;
    }
    let cut = lower.windows(3).position(|word| word == b"\n!\n");
    let (text, sets) = cut.map_or((data, &b""[..]), |at| (&data[..at], &data[at + 3..]));
    let path = path();
    std::fs::write(&path, text).expect("written");
    let Some(config) = read(&path) else { return };
    let Ok(settings) = Settings::new(&config) else { return };
    for line in sets.split(|byte| *byte == b'\n').take(20) {
        let at = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let (name, value) = (&line[..at], line.get(at + 1..).unwrap_or_default());
        let before = settings.config();
        if settings.set(&[(name, value)]).is_err() {
            assert!(settings.config() == before, "a refused value changed something");
        }
    }
    let is = settings.config();
    for (name, value) in settings.get(&[b"*"]) {
        // Some cannot be changed while the server runs.
        let _ = settings.set(&[(name.as_bytes(), value.as_bytes())]);
        assert!(settings.config() == is, "CONFIG SET {name} {value:?}, which is what CONFIG GET says");
    }
    rewrite(&settings, &path);
    std::fs::write(&path, b"").expect("written");
    rewrite(&settings, &path);
});

fn read(path: &Path) -> Option<Config> {
    let text = ConfigText::open(path).expect("the file is there");
    Config::from_sources(&[], [], Some(&text)).ok()
}

fn rewrite(settings: &Settings, path: &Path) {
    settings.rewrite().expect("the file is there");
    let text = std::fs::read(path).expect("the file is there");
    let shown = text.escape_ascii().to_string();
    let again = read(path).unwrap_or_else(|| panic!("it wrote {shown}"));
    let again = Settings::new(&again).unwrap_or_else(|error| panic!("{error}: it wrote {shown}"));
    assert_eq!(again.get(&[b"*"]), settings.get(&[b"*"]), "it wrote {shown}");
    let users = |settings: &Settings| settings.users().iter().map(|line| line.words.clone()).collect::<Vec<_>>();
    assert_eq!(users(&again), users(settings), "it wrote {shown}");
    settings.rewrite().expect("the file is there");
    assert_eq!(std::fs::read(path).expect("the file is there").escape_ascii().to_string(), shown);
}

/// A file for this process alone.
fn path() -> PathBuf {
    let folder = PathBuf::from("/dev/shm");
    let folder = if folder.is_dir() { folder } else { std::env::temp_dir() };
    folder.join(format!("damselfly-fuzz-config-{}", std::process::id()))
}
