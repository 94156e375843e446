//! The server's process: flags, configuration, log, server.

use damselfly::config::{Config, ConfigText};
use damselfly::process;
use damselfly::server::{self, cli, logging};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::{env, error, fs};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Where standard error is closed, the exit status has to do.
            let _ = writeln!(io::stderr(), "damselfly: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), Box<dyn error::Error>> {
    use_small_pages();
    process::name_allocator("mimalloc");
    let options = match cli::parse(env::args_os())? {
        cli::Request::Run(options) => options,
        cli::Request::Print(text) => return Ok(io::stdout().write_all(text.as_bytes())?),
    };
    let file = match options.file.as_deref() {
        None => None,
        Some(name) if name == "-" => Some(ConfigText::stdin(io::stdin())?),
        Some(name) => Some(ConfigText::open(Path::new(name))?),
    };
    let mut config = Config::from_sources(&options.flags, env::vars_os(), file.as_ref())?;
    if options.check {
        return Ok(io::stdout().write_all(b"configuration ok\n")?);
    }
    enter(&mut config)?;
    logging::init(&config)?;
    Ok(server::run(config).map_err(|error| error.to_string())?)
}

/// Asks the system not to back memory by huge pages, as Redis does (`disable-thp`): each that is touched anywhere is
/// resident whole, which is seven megabytes at start and two more for every allocation of another size.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if rustix::thread::disable_transparent_huge_pages(true).is_err() {
        // An old system, or one that allows no such call: memory is merely larger.
    }
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
