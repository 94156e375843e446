//! The command line: `damselfly [FILE] [--setting value ...]`, made from the table of settings.
//!
//! Owns flags and help; what the values mean is the configuration's business.

use crate::config::{self, Change, Group, Kind, ROWS, Row};
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Run a server.
    Run(Options),
    /// Load a file of Redis' and save what it holds.
    Import(Transfer),
    /// Load what was saved and write it to a file of Redis'.
    Export(Transfer),
    /// Check what is on the disk.
    Check(Check),
    /// Print this and be done: help, or the version.
    Print(String),
}

/// From where to where data is moved.
#[derive(Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The file in Redis' format.
    pub file: PathBuf,
    /// The directory of ours.
    pub directory: PathBuf,
    /// The snapshot's name in it.
    pub name: String,
    /// How many databases there are.
    pub databases: u32,
}

/// What is to be checked.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// The directory, or one of its files.
    pub path: PathBuf,
    /// Mend what can be.
    pub fix: bool,
    /// The snapshot's name in the directory.
    pub name: String,
}

/// What to run a server with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The configuration file; `-` is standard input.
    pub file: Option<OsString>,
    /// Settings by name, in the order they were given.
    pub flags: Vec<(String, String)>,
    /// Only check the configuration.
    pub check: bool,
    /// Be a server for tests, which ends with its parent.
    pub test: bool,
}

/// A command line that makes no sense, in one line.
#[derive(Debug, PartialEq, Eq)]
pub struct CliError(String);

impl fmt::Display for CliError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for CliError {}

/// Reads a command line, the program's name included.
///
/// # Errors
/// An unknown flag, a flag without a value, more than one file.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, CliError> {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(transfer) =
        args.get(1).and_then(|word| transfers().into_iter().find(|of| word == of.get_name()))
    {
        return transferred(transfer, args);
    }
    if args.get(1).is_some_and(|word| word == "check") {
        return checked(args);
    }
    let matches = match command().try_get_matches_from(joined(args)) {
        Ok(matches) => matches,
        Err(error) => return refused(&error),
    };
    let mut flags: Vec<(usize, String, String)> = Vec::new();
    for row in &ROWS {
        let places = matches.indices_of(row.name).into_iter().flatten();
        let texts = matches.get_many::<String>(row.name).into_iter().flatten();
        flags.extend(places.zip(texts).map(|(place, text)| (place, row.name.to_owned(), text.clone())));
    }
    flags.sort_unstable();
    Ok(Request::Run(Options {
        file: matches.get_one::<OsString>("FILE").cloned(),
        flags: flags.into_iter().map(|(_, name, text)| (name, text)).collect(),
        check: matches.get_flag("check-config"),
        test: cfg!(feature = "testkit") && matches.get_flag("test"),
    }))
}

/// The subcommands that move data in and out.
fn transfers() -> [Command; 2] {
    let file = |help: &'static str| {
        Arg::new("FILE").required(true).value_parser(clap::value_parser!(PathBuf)).help(help)
    };
    let of = |name: &'static str, about: &'static str| {
        Command::new(name)
            .bin_name(format!("damselfly {name}"))
            .about(about)
            .term_width(0)
            .arg(
                Arg::new("dir")
                    .long("dir")
                    .value_name("DIR")
                    .required(true)
                    .value_parser(clap::value_parser!(PathBuf))
                    .help("Directory of the snapshot"),
            )
            .arg(
                Arg::new("dbfilename")
                    .long("dbfilename")
                    .value_name("NAME")
                    .default_value("dump.dfly")
                    .help("Name of the snapshot"),
            )
            .arg(
                Arg::new("databases")
                    .long("databases")
                    .value_name("N")
                    .default_value("16")
                    .value_parser(clap::value_parser!(u32).range(1..))
                    .help("How many databases there may be"),
            )
    };
    [
        of("import", "Makes a snapshot of a file in Redis' format (RDB).").arg(file("The file")),
        of("export", "Writes a snapshot to a file in Redis' format (RDB).")
            .arg(file("The file, whose name ends in .rdb; one that is there is replaced")),
    ]
}

/// The subcommand that checks what is on the disk.
fn check() -> Command {
    Command::new("check")
        .bin_name("damselfly check")
        .about("Checks snapshots (ours and Redis') and the journal, and says what is damaged and where.")
        .after_help(
            "Exit status: 0 where all is whole, 1 where what was damaged is mended (--fix), 2 where something is damaged,\n\
             3 where it could not be checked, as when a server has the directory open.\n\
             --fix cuts the journal at the last whole record before the damage, and writes a snapshot anew with what can be\n\
             read of it. What is cut off or replaced stays beside, in files that end in .damaged.",
        )
        .term_width(0)
        .arg(
            Arg::new("PATH")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("The directory, or one of the files in it"),
        )
        .arg(Arg::new("fix").long("fix").action(ArgAction::SetTrue).help("Mend what can be mended"))
        .arg(
            Arg::new("dbfilename")
                .long("dbfilename")
                .value_name("NAME")
                .default_value("dump.dfly")
                .help("Name of the snapshot that the journal follows"),
        )
}

fn checked(args: Vec<OsString>) -> Result<Request, CliError> {
    let mut matches = match matched(check(), args) {
        Ok(matches) => matches,
        Err(result) => return result,
    };
    Ok(Request::Check(Check {
        path: matches.remove_one("PATH").unwrap_or_default(),
        fix: matches.get_flag("fix"),
        name: matches.remove_one("dbfilename").unwrap_or_default(),
    }))
}

/// Reads a subcommand's arguments; its help is a result of its own, and what is wrong is said in one line.
fn matched(command: Command, args: Vec<OsString>) -> Result<clap::ArgMatches, Result<Request, CliError>> {
    command.try_get_matches_from(args.into_iter().skip(1)).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp => Ok(Request::Print(error.to_string())),
        _ => {
            let text = error.to_string();
            let words = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
            let line = words.collect::<Vec<_>>().join(" ");
            Err(CliError(line.trim_start_matches("error: ").to_owned()))
        }
    })
}

fn transferred(command: Command, args: Vec<OsString>) -> Result<Request, CliError> {
    let is_import = command.get_name() == "import";
    let mut matches = match matched(command, args) {
        Ok(matches) => matches,
        Err(result) => return result,
    };
    let mut path = |name: &str| matches.remove_one::<PathBuf>(name).unwrap_or_default();
    let (file, directory) = (path("FILE"), path("dir"));
    let transfer = Transfer {
        file,
        directory,
        name: matches.remove_one("dbfilename").unwrap_or_default(),
        databases: matches.remove_one("databases").unwrap_or_default(),
    };
    Ok(if is_import { Request::Import(transfer) } else { Request::Export(transfer) })
}

/// Redis takes the words up to the next flag as one value (`--bind 127.0.0.1 -::1 --port 7000`); so do we, for settings
/// that are lists: `--bind=127.0.0.1 -::1`.
fn joined(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    let mut args = args.into_iter().peekable();
    while let Some(arg) = args.next() {
        let name = arg.to_str().and_then(|arg| arg.strip_prefix("--"));
        let is_list = name.is_some_and(|name| {
            ROWS.iter().any(|row| row.kind.is_list() && (row.name == name || row.alias == Some(name)))
        });
        let flag_is_next = |next: &OsString| {
            next.as_encoded_bytes().starts_with(b"--") || ["-h", "-v", "-V"].iter().any(|short| next == short)
        };
        let mut whole = arg;
        if is_list {
            let mut gap = "=";
            while let Some(word) = args.next_if(|next| !flag_is_next(next)) {
                whole.push(gap);
                whole.push(word);
                gap = " ";
            }
        }
        joined.push(whole);
    }
    joined
}

/// The whole command line with its subcommands: what the manual page and the shells' completions are made from.
#[must_use]
pub fn documented() -> Command {
    command().override_usage("").subcommands(transfers())
}

fn command() -> Command {
    let mut command = Command::new("damselfly")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A cache server that speaks Redis' protocol.")
        .override_usage(
            "damselfly [FILE] [--SETTING VALUE]...\n       damselfly import FILE.rdb --dir DIR\n       \
             damselfly export --dir DIR FILE.rdb\n       damselfly check [--fix] DIR|FILE",
        )
        .after_help(
            "Every setting can also be a line of FILE ('port 7000') or a variable (DAMSELFLY_PORT=7000).\n\
             A flag wins over a variable, a variable over the file. SIZE is bytes, or 1kb, 1mb, 1gb.",
        )
        .term_width(0)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(false)
        .arg(
            Arg::new("FILE")
                .value_parser(clap::value_parser!(OsString))
                .help("Configuration file in the form of redis.conf; '-' is standard input"),
        )
        .next_help_heading("Options")
        .args([
            switch("help", ArgAction::Help, "Print this").short('h'),
            switch("version", ArgAction::Version, "Print the version").short('v').short_alias('V'),
            switch("check-config", ArgAction::SetTrue, "Check the configuration and exit"),
        ]);
    if cfg!(feature = "testkit") {
        let help =
            "Be a server for tests: a free port, printed as JSON, nothing on disk, ended with its parent";
        command = command.arg(switch("test", ArgAction::SetTrue, help));
    }
    for group in Group::ALL {
        command = command.next_help_heading(group.title());
        command = command.args(ROWS.iter().filter(|row| row.group == group).map(flag));
    }
    command
}

fn switch(name: &'static str, action: ArgAction, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(action).help(help)
}

fn flag(row: &'static Row) -> Arg {
    let default = match row.kind {
        Kind::Text | Kind::Events | Kind::OutputLimits => String::new(),
        Kind::Choice(words) => format!(" {} [{}]", words.join("|"), config::default_text(row)),
        _ => format!(" [{}]", config::default_text(row)),
    };
    let hidden = row.is_hidden() || matches!(row.change, Change::Idle | Change::Later);
    let arg = Arg::new(row.name)
        .long(row.name)
        .value_name(row.kind.placeholder())
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .hide(hidden)
        .help(StyledStr::from(format!("{}{default}", row.doc)));
    match row.alias {
        Some(alias) => arg.alias(alias),
        None => arg,
    }
}

/// clap's errors in one line each; help and version are no errors.
fn refused(error: &clap::Error) -> Result<Request, CliError> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" "),
        _ => String::new(),
    };
    let arg = context(ContextKind::InvalidArg);
    let flag = arg.split(' ').next().unwrap_or_default();
    let line = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return Ok(Request::Print(error.to_string()));
        }
        ErrorKind::UnknownArgument if flag.starts_with("--") => {
            match config::nearest(flag.trim_start_matches('-')) {
                Some(near) => format!("{flag}: unknown setting, did you mean --{near}?"),
                None => format!("{flag}: unknown setting, see --help"),
            }
        }
        ErrorKind::UnknownArgument if flag.starts_with('-') => format!("{flag}: unknown flag, see --help"),
        ErrorKind::UnknownArgument => format!("{flag}: there can be only one configuration file"),
        ErrorKind::InvalidUtf8 => "the command line is not UTF-8 text".to_owned(),
        ErrorKind::InvalidValue => format!("{flag}: a value is missing"),
        _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    };
    Err(CliError(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &[&str]) -> Result<Request, String> {
        let args = ["damselfly"].iter().chain(line).map(OsString::from);
        parse(args).map_err(|error| error.to_string())
    }

    fn flags(line: &[&str]) -> Vec<(String, String)> {
        match run(line) {
            Ok(Request::Run(options)) => options.flags,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn flags_are_taken_as_redis_takes_them() {
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let line =
            ["--bind", "127.0.0.1", "-::1", "--port", "7000", "--save", "", "--list-max-ziplist-size", "-3"];
        let expected = [
            pair("bind", "127.0.0.1 -::1"),
            pair("port", "7000"),
            pair("save", ""),
            pair("list-max-listpack-size", "-3"),
        ];
        assert_eq!(flags(&line), expected);
        assert_eq!(flags(&["--hz", "1", "--hz=2"]), [pair("hz", "1"), pair("hz", "2")]);
        let line = [
            "--client-output-buffer-limit",
            "normal",
            "1",
            "2",
            "3",
            "--client-output-buffer-limit",
            "pubsub 1 2 3",
        ];
        let name = "client-output-buffer-limit";
        assert_eq!(flags(&line), [pair(name, "normal 1 2 3"), pair(name, "pubsub 1 2 3")]);
    }

    #[test]
    fn a_file_may_come_first_and_may_be_standard_input() {
        for (line, file) in [(&["a.conf", "--hz", "1"][..], "a.conf"), (&["-", "--hz", "1"], "-")] {
            match run(line) {
                Ok(Request::Run(options)) => assert_eq!(options.file.as_deref(), Some(file.as_ref())),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(run(&["--check-config"]), Ok(Request::Run(Options { check: true, .. }))));
    }

    #[test]
    fn data_is_moved_in_and_out() {
        let transfer = || Transfer {
            file: "a.rdb".into(),
            directory: "there".into(),
            name: "dump.dfly".to_owned(),
            databases: 16,
        };
        assert_eq!(run(&["import", "a.rdb", "--dir", "there"]), Ok(Request::Import(transfer())));
        assert_eq!(run(&["export", "--dir", "there", "a.rdb"]), Ok(Request::Export(transfer())));
        let other = Transfer { name: "x".to_owned(), databases: 99, ..transfer() };
        let line = ["import", "a.rdb", "--dir=there", "--dbfilename", "x", "--databases", "99"];
        assert_eq!(run(&line), Ok(Request::Import(other)));
        let error = run(&["import", "a.rdb"]).expect_err("no directory");
        assert!(error.contains("--dir") && !error.contains('\n'), "{error}");
        assert!(matches!(run(&["export", "--help"]), Ok(Request::Print(help)) if help.contains("--dir")));
        transfers().into_iter().for_each(Command::debug_assert);
    }

    #[test]
    fn what_is_on_the_disk_is_checked_and_mended_where_asked() {
        let check = |fix| Request::Check(Check { path: "d".into(), fix, name: "dump.dfly".into() });
        assert_eq!(run(&["check", "d"]), Ok(check(false)));
        assert_eq!(run(&["check", "--fix", "d"]), Ok(check(true)));
        assert!(run(&["check"]).expect_err("nothing to check").contains("PATH"));
        assert!(
            matches!(run(&["check", "--help"]), Ok(Request::Print(help)) if help.contains("Exit status"))
        );
        super::check().debug_assert();
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (line, words) in [
            (&["--prot", "1"][..], "--prot: unknown setting, did you mean --port?"),
            (&["--fnord"], "--fnord: unknown setting, see --help"),
            (&["-x"], "-x: unknown flag, see --help"),
            (&["--port"], "--port: a value is missing"),
            (&["a", "b"], "b: there can be only one configuration file"),
        ] {
            assert_eq!(run(line), Err(words.to_owned()));
        }
    }

    #[test]
    fn help_has_one_line_a_setting_and_hides_what_does_nothing() {
        let Ok(Request::Print(help)) = run(&["--help"]) else { panic!("no help") };
        for row in &ROWS {
            let lines = help.lines().filter(|line| line.contains(&format!("--{} <", row.name))).count();
            let shown = !row.is_hidden() && !matches!(row.change, Change::Idle | Change::Later);
            assert_eq!(lines, usize::from(shown), "{}", row.name);
        }
        assert!(matches!(run(&["-v"]), Ok(Request::Print(version)) if version.starts_with("damselfly 0.")));
    }
}
