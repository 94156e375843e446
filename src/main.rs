//! The server's process: flags, configuration, log, server.

use damselfly::Damselfly;
use damselfly::config::{Config, ConfigText};
use damselfly::engine::Engine;
use damselfly::engine::effects::Effects;
use damselfly::persist::check::{Check, Outcome};
use damselfly::persist::storage::{Directory, Storage as _};
use damselfly::persist::{Lock, make_directory};
use damselfly::process;
use damselfly::server::{self, StartError, cli, logging};
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, error, fs};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of a check that could not be made.
const NOT_CHECKED: u8 = 3;

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(failure) => {
            // Where standard error is closed, the exit status has to do.
            let _ = writeln!(io::stderr(), "damselfly: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<ExitCode, Box<dyn error::Error>> {
    use_small_pages();
    process::name_allocator("mimalloc");
    let options = match cli::parse(env::args_os())? {
        cli::Request::Run(options) => options,
        cli::Request::Import(transfer) => return import(&transfer).map(|()| ExitCode::SUCCESS),
        cli::Request::Export(transfer) => return export(&transfer).map(|()| ExitCode::SUCCESS),
        cli::Request::Check(what) => return Ok(check(&what)),
        cli::Request::Print(text) => {
            io::stdout().write_all(text.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    #[cfg(feature = "testkit")]
    if options.test {
        return damselfly::testkit::process::run(&options.flags).map(|()| ExitCode::SUCCESS);
    }
    let file = match options.file.as_deref() {
        None => None,
        Some(name) if name == "-" => Some(ConfigText::stdin(io::stdin())?),
        Some(name) => Some(ConfigText::open(Path::new(name))?),
    };
    let mut config = Config::from_sources(&options.flags, env::vars_os(), file.as_ref())?;
    if options.check {
        io::stdout().write_all(b"configuration ok\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    enter(&mut config)?;
    logging::init(&config)?;
    let for_guests = config.clone();
    let guests = |engine: &Arc<Engine>| guests(engine, &for_guests);
    server::run_with(config, guests).map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// What is served beside the protocol: consoles.
#[cfg(feature = "console")]
fn guests(engine: &Arc<Engine>, config: &Config) -> Result<impl Sized + use<>, StartError> {
    let listened = damselfly::console::listen(&Damselfly::over(Arc::clone(engine)), config);
    listened.map_err(|(address, error)| StartError::Listen { address, error })
}

#[cfg(not(feature = "console"))]
fn guests(_: &Arc<Engine>, config: &Config) -> Result<(), StartError> {
    match config.admin_port {
        0 => Ok(()),
        _ => Err(StartError::Guest(
            "admin-port is set, and this program was built without the console".to_owned(),
        )),
    }
}

/// Asks the system not to back memory by huge pages, as Redis does (`disable-thp`): each that is touched anywhere is
/// resident whole, which is seven megabytes at start and two more for every allocation of another size.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if rustix::thread::disable_transparent_huge_pages(true).is_err() {
        // An old system, or one that allows no such call: memory is merely larger.
    }
}

/// Checks a directory or a file; the exit status says what was found.
fn check(what: &cli::Check) -> ExitCode {
    match checked(what) {
        Ok(Outcome { damaged: 0, .. }) => ExitCode::SUCCESS,
        Ok(Outcome { damaged, mended }) if mended >= damaged => ExitCode::from(1),
        Ok(_) => ExitCode::from(2),
        Err(failure) => {
            // Where standard error is closed, the exit status has to do.
            let _ = writeln!(io::stderr(), "damselfly: {failure}");
            ExitCode::from(NOT_CHECKED)
        }
    }
}

fn checked(what: &cli::Check) -> Result<Outcome, Box<dyn error::Error>> {
    let kind = fs::metadata(&what.path).map_err(|error| format!("{}: {error}", what.path.display()))?;
    let (directory, only) = if kind.is_dir() {
        (what.path.as_path(), None)
    } else {
        let parent = what.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let name =
            what.path.file_name().and_then(OsStr::to_str).ok_or("the file's name is not UTF-8 text")?;
        (parent.unwrap_or(Path::new(".")), Some(name))
    };
    let _lock = Lock::take(directory)?;
    let mut out = io::stdout();
    let mut say = |line: String| drop(writeln!(out, "{line}"));
    let understands = |record: &[u8]| match Effects::parse(record) {
        Some(_) => Ok(()),
        None => Err("the record is none".to_owned()),
    };
    let mut check = Check { fix: what.fix, snapshot: &what.name, understands, say: &mut say };
    Ok(check.run(&Directory::new(directory), only)?)
}

/// Makes a snapshot of a file in Redis' format.
fn import(transfer: &cli::Transfer) -> Result<(), Box<dyn error::Error>> {
    let snapshot = transfer.directory.join(&transfer.name);
    if let Some(there) = data_in(transfer)? {
        return Err(format!("{} is there already, and would be overwritten", there.display()).into());
    }
    let (storage, name) = place_of(&transfer.file)?;
    make_directory(&transfer.directory)?;
    let db = opened(transfer)?;
    let loaded = db.engine().import(&storage, &name)?;
    db.save()?;
    let expired = match loaded.expired {
        0 => String::new(),
        expired => format!("; {expired} had expired"),
    };
    let (keys, file) = (loaded.keys, transfer.file.display());
    Ok(writeln!(io::stdout(), "imported {keys} keys from {file} to {}{expired}", snapshot.display())?)
}

/// Writes a snapshot to a file in Redis' format.
fn export(transfer: &cli::Transfer) -> Result<(), Box<dyn error::Error>> {
    let (storage, name) = place_of(&transfer.file)?;
    let Some(from) = data_in(transfer)? else {
        return Err(
            format!("{}: there is no snapshot", transfer.directory.join(&transfer.name).display()).into()
        );
    };
    let db = opened(transfer)?;
    let mut keys = 0;
    for number in 0..db.engine().databases() {
        keys += db.select(number)?.dbsize()?;
    }
    let bytes = db.engine().export(Arc::new(storage), &name)?;
    let (from, file) = (from.display(), transfer.file.display());
    Ok(writeln!(io::stdout(), "exported {keys} keys from {from} to {file}: {bytes} bytes")?)
}

/// The snapshot, or where there is none a segment of the journal.
fn data_in(transfer: &cli::Transfer) -> io::Result<Option<PathBuf>> {
    let snapshot = transfer.directory.join(&transfer.name);
    if fs::exists(&snapshot)? {
        return Ok(Some(snapshot));
    }
    let names = Directory::new(&transfer.directory).list()?;
    let segment = names.iter().find(|name| name.starts_with("journal.") && name.ends_with(".dfly"));
    Ok(segment.map(|name| transfer.directory.join(name)))
}

/// What is saved in the directory, which is locked while it is used.
fn opened(transfer: &cli::Transfer) -> Result<Damselfly, Box<dyn error::Error>> {
    let directory = transfer.directory.to_str().ok_or("the directory's name is not UTF-8 text")?;
    let config = Config::default().dir(directory).dbfilename(&*transfer.name).databases(transfer.databases);
    let config = config.save("");
    Ok(Damselfly::open(config)?)
}

/// The directory and the name of a file in Redis' format.
fn place_of(file: &Path) -> Result<(Directory, String), Box<dyn error::Error>> {
    let name = file.file_name().and_then(OsStr::to_str).filter(|name| name.ends_with(".rdb"));
    let name = name.ok_or_else(|| format!("{}: the file's name has to end in .rdb", file.display()))?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((Directory::new(directory), name.to_owned()))
}

/// Goes to `dir`, which is absolute from then on.
fn enter(config: &mut Config) -> Result<(), Box<dyn error::Error>> {
    if config.dir != "." {
        let dir = fs::canonicalize(&config.dir).and_then(|dir| env::set_current_dir(&dir).map(|()| dir));
        let dir = dir.map_err(|error| format!("cannot enter the directory {}: {error}", config.dir))?;
        config.dir = dir.to_string_lossy().into_owned();
    }
    Ok(())
}
