//! What every target of stored data asks: that damage is refused by name, and that what was loaded is saved and loaded
//! again with the same digest.

use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::persist::StorageError;
use damselfly::persist::storage::Memory;
use damselfly::{Damselfly, Reply};
use std::sync::Arc;

/// Loads what is there as a configuration says; whatever is refused has to name a file whose name holds `name`.
pub fn check(memory: &Memory, config: &Config, name: &str) {
    let config = config.clone().shards(2).seed(1);
    let db = open(memory, config.clone());
    match db.engine().recover() {
        Err(error @ StorageError::Corrupt { .. }) => assert!(error.to_string().contains(name), "{error}"),
        Err(error) => panic!("{error}"),
        Ok(_) => {
            // What is due goes, so that both see the same.
            let digest = digest(&db);
            db.save().expect("memory takes all");
            let again = open(memory, config);
            again.engine().recover().expect("what was saved is loaded");
            assert_eq!(self::digest(&again), digest);
        }
    }
}

fn open(memory: &Memory, config: Config) -> Damselfly {
    let db = Damselfly::with_clock(config, Clock::manual(1_700_000_000_000)).expect("a good configuration");
    db.engine().save_to(Arc::new(memory.clone()));
    db
}

fn digest(db: &Damselfly) -> Reply {
    db.call(["DEBUG", "DIGEST"]).expect("a digest")
}
