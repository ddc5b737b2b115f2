//! `convert`: the translation of files and pipes, by the same code that `serve` runs.
//!
//! [`detect`] says what the input is, [`route`] which conversion that makes, [`document`], [`lines`] and
//! [`stream`] do it, [`sink`] takes the result, [`losses`] what got lost. Nothing is read from the user's
//! environment unless `--config` or `--env-file` asks for it, so the same call gives the same bytes everywhere.

use std::path::PathBuf;

use clap::ValueEnum;
use clap_complete::ArgValueCandidates;
use color_eyre::Result;

use super::{
    GlobalArgs,
    exit::{Exit, Failure},
};
use crate::translate::{Dialect as Upstream, quirks::Preset};

mod detect;
mod document;
mod input;
mod lines;
mod losses;
mod pretty;
mod route;
mod settings;
mod sink;
mod stream;

use detect::Shape;
use input::Input;
use losses::Losses;
use settings::Settings;
use sink::Target;

/// Translate requests, responses, streams and errors between dialects
///
/// Reads INPUT and writes the translation to stdout: a request from messages to chat or responses; a response, a
/// stream of events or an error from chat or responses to messages. A stream is converted as it arrives, event by
/// event.
///
/// The same input gives the same bytes: ids are derived from the input, and no setting is taken from the
/// environment or a configuration file unless --config or --env-file is given.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// The file to read; `-` is stdin
    #[arg(value_name = "INPUT", default_value = "-")]
    input: PathBuf,
    /// Write to this file instead of stdout
    ///
    /// It appears whole or not at all, except for a stream, which is written as it arrives.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What the input is; `auto` looks at it
    #[arg(long, value_name = "KIND", default_value = "auto")]
    kind: KindArg,
    /// The input's dialect; default: messages for a request, else what the input shows
    #[arg(long, value_name = "DIALECT")]
    from: Option<Dialect>,
    /// The output's dialect; default: chat for a request, else messages
    #[arg(long, value_name = "DIALECT")]
    to: Option<Dialect>,
    /// The upstream's model for a request, the model to report for a response
    ///
    /// Default: for a request what the mapping of --config says, or else the requested name; for a response the
    /// model of --request, or else the one that the upstream states.
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(super::completions::upstream_models))]
    model: Option<String>,
    /// The original request of a response or stream, for names, ids and stop sequences
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// The status that came with an error; default: the one in the body, or else 500
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(100..=599))]
    status: Option<u16>,
    /// The kind of upstream that is asked or that answered; default: that of --config, or else generic
    #[arg(long, value_name = "NAME", value_parser = super::preset_parser())]
    preset: Option<Preset>,
    /// Fold a stream into one message
    #[arg(long, conflicts_with = "explode")]
    aggregate: bool,
    /// Write a message as a stream
    #[arg(long)]
    explode: bool,
    /// Read one document a line, and write one a line
    ///
    /// A line that fails is named on stderr and left out; the others are converted, and the exit code is 65.
    #[arg(long, conflicts_with_all = ["aggregate", "explode", "pretty"])]
    jsonl: bool,
    /// Indent JSON output; numbers and the order of members stay as they are
    #[arg(long)]
    pretty: bool,
    /// List what got lost as JSON lines on stderr or in FILE
    ///
    /// Each line is {"pointer","kind","reason"}; with --jsonl also the input's "line".
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    report: Option<PathBuf>,
    /// Exit with 65 instead of losing anything; a stream has been written by then
    #[arg(long)]
    strict: bool,
}

const EXAMPLES: &str = "\
Examples:
  aiapiproxy convert request.json --pretty
  aiapiproxy convert request.json --to responses --preset openai
  curl -sN … | aiapiproxy convert --request request.json
  aiapiproxy convert answer.sse --aggregate
  aiapiproxy convert message.json --explode
  aiapiproxy convert requests.jsonl --jsonl --report=losses.jsonl -o converted.jsonl

Conversions:
  request   messages to chat or responses
  response  chat or responses to messages, messages to messages with --explode
  stream    chat or responses to messages, messages to messages with --aggregate
  error     chat or responses to messages

Exit codes:
  0   converted; also when the reader of stdout went away
  2   wrong command line, or a conversion that does not exist
  65  the input is wrong or broken off, or --strict found a loss
  66  the input cannot be opened
  73  the output cannot be created
  74  reading or writing failed
  78  a file that --config or --env-file names is wrong";

/// `--kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    Auto,
    Request,
    Response,
    Stream,
    Error,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Response,
    Stream,
    Error,
}

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dialect {
    /// Anthropic's Messages API
    Messages,
    /// OpenAI's chat completions
    Chat,
    /// OpenAI's Responses API
    Responses,
}

impl Dialect {
    /// The upstream's dialect that it is, if it is one.
    const fn of_upstream(self) -> Option<Upstream> {
        match self {
            Self::Messages => None,
            Self::Chat => Some(Upstream::Chat),
            Self::Responses => Some(Upstream::Responses),
        }
    }
}

pub(super) fn run(args: &Args, global: &GlobalArgs) -> Result<Exit> {
    let wish = args.wish();
    wish.check()?;
    let settings = Settings::new(args, global)?;
    let mut input = Input::open(&args.input)?;
    let target = Target::new(args.output.clone());
    let losses = Losses::new(args.report.as_deref(), args.strict)?;
    if args.jsonl {
        return lines::run(&mut input, &target, wish, &settings, losses);
    }
    let shape = input.peek()?;
    if wish.kind == Some(Kind::Stream) || (wish.kind.is_none() && shape == Shape::Events) {
        stream::run(&mut input, shape, &target, wish, &settings, losses, args.pretty)
    } else {
        document::run(&mut input, &target, wish, &settings, losses, args.pretty)
    }
}

impl Args {
    fn wish(&self) -> route::Wish {
        route::Wish {
            kind: match self.kind {
                KindArg::Auto => None,
                KindArg::Request => Some(Kind::Request),
                KindArg::Response => Some(Kind::Response),
                KindArg::Stream => Some(Kind::Stream),
                KindArg::Error => Some(Kind::Error),
            },
            from: self.from,
            to: self.to,
            aggregate: self.aggregate,
            explode: self.explode,
            jsonl: self.jsonl,
        }
    }
}

/// The input is wrong.
fn bad_data(what: impl Into<String>) -> Failure {
    Failure::new(Exit::BadData, what)
}
