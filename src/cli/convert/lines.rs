//! `--jsonl`: one document a line in, one a line out. A line that fails is told and left out.

use color_eyre::Result;

use super::{
    bad_data,
    document::{self, Converted},
    input::Input,
    losses::Losses,
    route::Wish,
    settings::Settings,
    sink::Target,
};
use crate::cli::{
    exit::{Exit, Failure},
    output::{ERROR, Progress},
};

pub(super) fn run(
    input: &mut Input,
    target: &Target,
    wish: Wish,
    settings: &Settings,
    mut losses: Losses,
) -> Result<Exit> {
    let progress = Progress::bytes(input.size());
    let mut sink = target.open_whole()?;
    let mut line = Vec::new();
    let (mut number, mut failed) = (0_u64, 0_u64);
    while input.read_line(&mut line)? {
        number += 1;
        // The line's end is gone from `line` and belongs to it.
        progress.advance(line.len() as u64 + 1);
        let document = without_mark(&line, number);
        if !document.trim_ascii().is_empty() {
            match convert(document, number, wish, settings, &mut losses)? {
                Ok(text) => sink.write(&text)?,
                Err(failure) => {
                    failed += 1;
                    progress.note(&format!("{ERROR}error:{ERROR:#} {}", failure.one_line()));
                }
            }
        }
        line.clear();
    }
    progress.finish();
    losses.finish()?;
    sink.commit()?;
    if failed > 0 {
        return Err(bad_data(format!("{failed} of {number} lines could not be converted")).into());
    }
    Ok(Exit::Success)
}

/// The inner failure is the line's; the outer one ends the program.
fn convert(
    document: &[u8],
    number: u64,
    wish: Wish,
    settings: &Settings,
    losses: &mut Losses,
) -> Result<Result<Vec<u8>, Failure>> {
    let name = format!("line {number}");
    let Converted { text, report } = match document::convert(document, &name, wish, settings) {
        Ok(converted) => converted,
        // A wish that no line can satisfy is no fault of this line.
        Err(failure) if failure.exit() != Exit::BadData => return Err(failure.into()),
        Err(failure) => return Ok(Err(failure)),
    };
    losses.list(&report, Some(number))?;
    if let Some(refusal) = losses.refusal(&report) {
        return Ok(Err(bad_data(format!("{name}: {}", refusal.one_line()))));
    }
    Ok(text.laid_out(false))
}

fn without_mark(line: &[u8], number: u64) -> &[u8] {
    let mark = super::detect::BYTE_ORDER_MARK;
    line.strip_prefix(mark).filter(|_| number == 1).unwrap_or(line)
}
