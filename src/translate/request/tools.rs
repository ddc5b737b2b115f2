//! Tools: definitions, which of them are offered, and whether one must be used (protocol.md §2.9, §2.10).

use super::client_tools::{CLIENT_TOOLS, ClientTool};
use super::place::Place;
use super::settings::Settings;
use super::tool_changes::ToolChanges;
use super::{Translation, report_unknown};
use crate::protocol::anthropic::block::{Block, BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::{Message, Request, Tool, ToolChoice};
use crate::protocol::json::Escaped;
use crate::translate::json_object::raw;
use crate::translate::json_schema;
use crate::translate::report::Kind;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// What kind of tool an entry of `tools` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToolKind {
    /// The client's own function.
    Function,
    /// One of Anthropic's client tools, whose schema is built into the model.
    Client(&'static ClientTool),
    /// A tool that Anthropic's servers run.
    Server,
    /// A tool whose calls need members that no dialect of OpenAI has.
    Unsupported,
}

/// A function the model may call.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its name at the upstream.
    pub(crate) name: String,
    pub(crate) description: Option<Escaped>,
    /// The schema of its input.
    pub(crate) parameters: Box<RawValue>,
    /// Inputs must match the schema exactly.
    pub(crate) strict: bool,
}

/// Whether and which function must be called.
#[derive(Debug)]
pub(crate) enum Choice {
    /// As the model likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// The one of that name.
    Function(String),
}

/// A tool, and where it is defined.
type Placed = (Place, Tool);

impl Translation<'_> {
    /// Fills in the tools and the choice between them.
    pub(super) fn tools(&mut self, request: &mut Request, settings: &mut Settings) -> Result<(), Error> {
        let listed = request.tools.take().unwrap_or_default().into_iter().enumerate();
        let mut tools: Vec<Placed> =
            listed.map(|(index, tool)| (Place::top("tools").child(index), tool)).collect();
        let mut changes = ToolChanges::take(&mut request.messages)?;
        // A tool that is defined anew takes the old one's place.
        let defined = changes.take_defined();
        tools.retain(|(_, tool)| !tool.name.as_ref().is_some_and(|name| defined.contains_key(name)));
        tools.extend(defined.into_values());
        self.report_dangling(&tools, &changes);
        let choice = request.tool_choice.take();
        let forced = choice.as_ref().and_then(|choice| match choice.kind.as_str() {
            "tool" => choice.name.as_deref(),
            _ => None,
        });
        let offer = Offer::new(&tools, &request.messages, forced, changes)?;
        let count = tools.len();
        let mut names = HashSet::with_capacity(count);
        settings.functions.reserve(count);
        for (place, tool) in tools {
            let name = tool.name.clone().unwrap_or_default();
            if let Some(tool) = self.tool(&place, tool, &offer)? {
                if !names.insert(name.clone()) {
                    return Err(place.child("name").refuse(format_args!("`{name}` is defined twice")));
                }
                settings.functions.push(tool);
            }
        }
        self.tool_choice(choice, count, &names, settings)
    }

    /// Changes of tools that are defined nowhere.
    fn report_dangling(&mut self, tools: &[Placed], changes: &ToolChanges) {
        if changes.references().next().is_none() {
            return;
        }
        let known: HashSet<&str> = tools.iter().filter_map(|(_, tool)| tool.name.as_deref()).collect();
        for (name, place) in changes.references().filter(|(name, _)| !known.contains(name)) {
            self.report.add(place, Kind::Dropped, format!("no tool `{name}` is defined"));
        }
    }

    fn tool(&mut self, place: &Place, tool: Tool, offer: &Offer) -> Result<Option<Function>, Error> {
        match kind_of(&tool, place)? {
            ToolKind::Function | ToolKind::Client(_) if !self.is_offered(&tool, place, offer) => Ok(None),
            ToolKind::Function => {
                self.tool_hints(&tool, place);
                self.function(place, tool).map(Some)
            }
            ToolKind::Client(known) => {
                self.tool_hints(&tool, place);
                Ok(Some(self.client_tool(&tool, known, place)))
            }
            ToolKind::Server if offer.only_server_tools => Err(place.child("type").refuse(format_args!(
                "`{}` is run by Anthropic's servers, the upstream cannot",
                tool.kind.unwrap_or_default()
            ))),
            ToolKind::Server => {
                let kind = tool.kind.unwrap_or_default();
                let reason = format!("`{kind}` is run by Anthropic's servers only");
                self.report.add(place, Kind::Dropped, reason);
                Ok(None)
            }
            ToolKind::Unsupported => Err(place.child("type").refuse(format_args!(
                "`{}` cannot be translated; define a function with an input_schema instead",
                tool.kind.unwrap_or_default()
            ))),
        }
    }

    /// Whether the model may see the tool now.
    fn is_offered(&mut self, tool: &Tool, place: &Place, offer: &Offer) -> bool {
        let name = tool.name.as_deref().unwrap_or_default();
        if offer.changes.withdrew(name) {
            self.report.add(place, Kind::Ignored, "withdrawn in mid-conversation");
            return false;
        }
        if tool.defer_loading == Some(true) && !offer.is_loaded(name) {
            self.report.add(place, Kind::Ignored, "held back until a tool_reference asks for it");
            return false;
        }
        if tool.allowed_callers.as_ref().is_some_and(|callers| !callers.iter().any(|it| it == "direct")) {
            let reason = "only code execution may call it, which the upstream has not";
            self.report.add(place, Kind::Dropped, reason);
            return false;
        }
        true
    }

    /// Members without a place in a function's definition.
    fn tool_hints(&mut self, tool: &Tool, place: &Place) {
        let examples = tool.input_examples.as_ref().is_some_and(|examples| !examples.is_empty())
            && !self.options.quirks.input_examples;
        let marker = self.marker(tool.cache_control.as_deref(), place);
        self.mark(marker, &mut []);
        let hints = [
            ("input_examples", examples, "a function has no examples"),
            ("eager_input_streaming", tool.eager_input_streaming.is_some(), "input is streamed as it comes"),
        ];
        for (name, _, reason) in hints.into_iter().filter(|(_, present, _)| *present) {
            self.report.add(&place.child(name), Kind::Ignored, reason);
        }
        report_unknown(&tool.unknown, place, &mut self.report);
    }

    fn function(&mut self, place: &Place, tool: Tool) -> Result<Function, Error> {
        let Some(name) = tool.name.filter(|name| !name.is_empty()) else {
            return Err(place.child("name").refuse("missing field `name`"));
        };
        let Some(schema) = tool.input_schema else {
            return Err(place.child("input_schema").refuse("missing field `input_schema`"));
        };
        if tool.max_characters.is_some() {
            let reason = "only Anthropic's own editor has it";
            self.report.add(&place.child("max_characters"), Kind::Dropped, reason);
        }
        let strict = tool.strict == Some(true) && self.strict(place, &schema);
        let repaired = json_schema::repair(schema);
        if let Some(reason) = repaired.change {
            self.report.add(&place.child("input_schema"), Kind::Approximated, reason);
        }
        let parameters = self.without_ids(repaired.schema, &place.child("input_schema"));
        let mut description = tool.description;
        if self.options.quirks.input_examples {
            append_examples(tool.input_examples.as_deref().unwrap_or_default(), &mut description);
        }
        Ok(Function { name: self.names.upstream_name(name), description, parameters, strict })
    }

    /// A schema without the members that name it, where the upstream refuses those.
    pub(super) fn without_ids(&mut self, schema: Box<RawValue>, place: &Place) -> Box<RawValue> {
        if self.options.quirks.schema_ids {
            return schema;
        }
        let Some((schema, dropped)) = json_schema::without_ids(&schema) else { return schema };
        for name in dropped {
            let reason = "the upstream refuses schemas with it";
            self.report.add(&place.child(name), Kind::Rewritten, reason);
        }
        schema
    }

    fn strict(&mut self, place: &Place, schema: &RawValue) -> bool {
        let reason = if !self.form.strict_tools {
            "the upstream does not know it"
        } else if !json_schema::fits_strict(schema) {
            "the schema is outside of the strict subset"
        } else {
            return true;
        };
        self.report.add(&place.child("strict"), Kind::Dropped, reason);
        false
    }

    fn client_tool(&mut self, tool: &Tool, known: &ClientTool, place: &Place) -> Function {
        let reason = "Anthropic's own tool became a function with the same schema";
        self.report.add(place, Kind::Approximated, reason);
        let own = [
            ("description", tool.description.is_some()),
            ("input_schema", tool.input_schema.is_some()),
            ("strict", tool.strict == Some(true)),
        ];
        for (name, _) in own.into_iter().filter(|(_, present)| *present) {
            let reason = "Anthropic's own tool has it built in";
            self.report.add(&place.child(name), Kind::Dropped, reason);
        }
        let mut description = known.description.to_owned();
        if let Some(max) = tool.max_characters {
            description = format!("{description} Views are cut after {max} characters.");
        }
        let name = tool.name.as_deref().unwrap_or(known.name).to_owned();
        Function {
            name: self.names.upstream_name(name),
            description: Some(description.into()),
            parameters: raw(known.schema.to_owned()),
            strict: false,
        }
    }

    fn tool_choice(
        &mut self,
        choice: Option<ToolChoice>,
        count: usize,
        names: &HashSet<String>,
        settings: &mut Settings,
    ) -> Result<(), Error> {
        let Some(choice) = choice else { return Ok(()) };
        let mapped = match choice.kind.as_str() {
            "auto" => Choice::Auto,
            "none" => Choice::None,
            "any" => Choice::Required,
            "tool" => {
                let name = choice.name.unwrap_or_default();
                if !names.contains(&name) {
                    return Err(Error::invalid_request(format!(
                        "tool_choice.name: no tool `{name}` is offered"
                    )));
                }
                Choice::Function(self.names.upstream_name(name))
            }
            other => {
                return Err(Error::invalid_request(format!(
                    "tool_choice.type: `{other}` is unknown; known are auto, any, tool, none"
                )));
            }
        };
        if settings.functions.is_empty() {
            // OpenAI refuses `tool_choice` without tools.
            return match choice.kind.as_str() {
                "any" => {
                    Err(Error::invalid_request("tool_choice: a tool is demanded but none can be offered"))
                }
                // What the model may do without tools is the same without the choice.
                _ if count == 0 => Ok(()),
                "auto" | "none" => {
                    self.report.add("/tool_choice", Kind::Ignored, "no tool is left to choose");
                    Ok(())
                }
                _ => {
                    self.report.add("/tool_choice", Kind::Dropped, "no tool is left to choose");
                    Ok(())
                }
            };
        }
        settings.choice = Some(mapped);
        // Enforced on the answer too: servers that take the parameter do not always heed it.
        settings.one_tool_call = choice.disable_parallel_tool_use == Some(true) && choice.kind != "none";
        settings.no_parallel_calls = settings.one_tool_call && self.options.quirks.parallel_tool_calls;
        Ok(())
    }
}

/// Examples of a tool's input, one a line, behind its description.
fn append_examples(examples: &[Box<RawValue>], description: &mut Option<Escaped>) {
    if examples.is_empty() {
        return;
    }
    let text = description.get_or_insert_default();
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str("Examples of input:");
    for example in examples {
        // Line breaks stand between values only; those within texts are escaped.
        text.push_str(&format!("\n{}", example.get().replace(['\n', '\r'], " ")));
    }
}

/// Whether a tool is listed that runs in a container of Anthropic's.
pub(super) fn needs_container(tools: &[Tool]) -> bool {
    tools.iter().any(|tool| tool.kind.as_deref().is_some_and(|kind| kind.starts_with("code_execution_")))
}

/// Which tools of the request are to be offered.
struct Offer {
    only_server_tools: bool,
    /// A server-side tool search is listed: it cannot run, so every deferred tool is loaded.
    load_all: bool,
    loaded: HashSet<String>,
    changes: ToolChanges,
}

impl Offer {
    fn new(
        tools: &[Placed],
        messages: &[Message],
        forced: Option<&str>,
        changes: ToolChanges,
    ) -> Result<Self, Error> {
        let mut kinds = Vec::with_capacity(tools.len());
        for (place, tool) in tools {
            kinds.push(kind_of(tool, place)?);
        }
        let only_server_tools = kinds.iter().all(|kind| *kind == ToolKind::Server)
            || tools.iter().zip(&kinds).any(|((_, tool), kind)| {
                *kind == ToolKind::Server && forced.is_some() && tool.name.as_deref() == forced
            });
        let is_search = |(_, tool): &Placed| {
            tool.kind.as_deref().is_some_and(|kind| kind.starts_with("tool_search_tool"))
        };
        let mut loaded = HashSet::new();
        if tools.iter().any(|(_, tool)| tool.defer_loading == Some(true)) {
            loaded.extend(forced.map(str::to_owned));
            for message in messages {
                collect_loaded(message.content.as_ref(), &mut loaded);
            }
        }
        Ok(Self { only_server_tools, load_all: tools.iter().any(is_search), loaded, changes })
    }

    fn is_loaded(&self, name: &str) -> bool {
        self.load_all || self.loaded.contains(name) || self.changes.added(name)
    }
}

/// Tools that a `tool_reference` has loaded, and tools that were called already.
fn collect_loaded(content: Option<&Content>, loaded: &mut HashSet<String>) {
    let Some(Content::Blocks(blocks)) = content else { return };
    for Block { kind, .. } in blocks {
        match kind {
            BlockKind::ToolReference { tool_name } => {
                loaded.insert(tool_name.clone());
            }
            BlockKind::ToolUse { name, .. } => {
                loaded.insert(name.clone());
            }
            BlockKind::ToolResult { content, .. } => collect_loaded(content.as_ref(), loaded),
            _ => {}
        }
    }
}

/// Families of tools that Anthropic's servers run; the dated suffix changes.
const SERVER_TOOLS: [&str; 6] =
    ["web_search_", "web_fetch_", "code_execution_", "tool_search_tool_", "advisor_", "mcp_toolset"];
/// Families whose calls need more than a name and an input.
const UNSUPPORTED_TOOLS: [&str; 3] = ["computer_", "browser_toolset_", "browser_"];

fn kind_of(tool: &Tool, place: &Place) -> Result<ToolKind, Error> {
    let Some(kind) = tool.kind.as_deref().filter(|kind| *kind != "custom") else {
        return Ok(ToolKind::Function);
    };
    let in_family = |families: &[&str]| families.iter().any(|family| kind.starts_with(family));
    if in_family(&SERVER_TOOLS) {
        return Ok(ToolKind::Server);
    }
    if in_family(&UNSUPPORTED_TOOLS) {
        return Ok(ToolKind::Unsupported);
    }
    match CLIENT_TOOLS.iter().find(|known| kind.starts_with(known.family)) {
        Some(known) => Ok(ToolKind::Client(known)),
        None => Err(place.child("type").refuse(format_args!("`{kind}` is unknown"))),
    }
}
