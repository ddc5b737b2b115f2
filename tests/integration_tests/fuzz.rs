//! The fuzzed entries on 100,000 seeded inputs: the golden files, spoilt at random, and plain noise.
//!
//! libFuzzer runs the same entries on inputs of its own; `tests/fuzz/Cargo.toml` says how.

use crate::support::{sse, sse_rules};
use entries::{ENTRIES, Entry};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../fuzz/entries.rs"]
mod entries;

const INPUTS: usize = 100_000;

#[test]
fn entries_keep_their_promises_on_seeded_inputs() {
    let corpus = corpus();
    // Files are slow to write, so fewer of them.
    let share = |entry: &Entry| if entry.name == "config" { INPUTS / 50 } else { INPUTS / 5 };
    std::thread::scope(|scope| {
        for entry in ENTRIES {
            let corpus = &corpus;
            scope.spawn(move || {
                let mut random = Random(entry.name.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte)));
                for number in 0..share(&entry) {
                    let input = spoilt(corpus, &mut random);
                    let run = std::panic::AssertUnwindSafe(|| (entry.run)(&input));
                    let kept = std::panic::catch_unwind(run).is_ok();
                    assert!(kept, "{}, input {number}: {}", entry.name, input.escape_ascii());
                }
            });
        }
    });
}

#[test]
fn every_entry_is_a_target_of_libfuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for Entry { name, .. } in ENTRIES {
        let target = fs::read_to_string(folder.join(format!("targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("entries::{name}(")), "{name}");
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
    }
}

/// Every input of the golden files, and the configuration's example.
fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("config.example.toml")];
    let mut folders = vec![root.join("tests/fixtures")];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let (inner, found): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
        folders.extend(inner);
        files.extend(found.into_iter().filter(|path| !path.to_string_lossy().contains(".expected.")));
    }
    files.sort();
    let small = files.iter().map(|path| fs::read(path).unwrap()).filter(|text| text.len() < 32 << 10);
    small.collect()
}

/// A byte that chooses a variant, then one input after a few cuts, repetitions and changed bytes; or noise.
fn spoilt(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let choice = random.byte();
    if random.below(20) == 0 {
        return (0..random.below(300)).map(|_| random.byte()).collect();
    }
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..random.below(4) {
        let (a, b) = (random.below(input.len() + 1), random.below(input.len() + 1));
        let (a, b) = (a.min(b), a.max(b).min(a.min(b) + 200));
        match random.below(6) {
            0 => drop(input.drain(a..b)),
            1 => input.truncate(b),
            2 => input.insert(a, random.byte()),
            3 if a < input.len() => input[a] ^= 1 << random.below(8),
            4 => drop(input.splice(a..a, input[a..b].to_vec())),
            _ => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let to = other.len().min(from + 200);
                drop(input.splice(a..a, other[from..to].to_vec()));
            }
        }
    }
    input.insert(0, choice);
    input
}

/// `SplitMix64`: the same inputs on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
