//! Changes of the tools in mid-conversation: `tool_addition` and `tool_removal` in system messages.
//!
//! Chat completions know one list of tools per request, so the changes are applied to it in their order.

use crate::protocol::anthropic::block::{BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::{Message, Tool, ToolChange};
use std::collections::{BTreeMap, HashMap};

/// What all changes together come to.
#[derive(Debug, Default)]
pub(super) struct ToolChanges {
    /// Whether a tool is offered in the end, by its name; tools that are not named here stay as they were.
    offered: HashMap<String, bool>,
    /// Tools that were defined in mid-conversation.
    defined: BTreeMap<String, Tool>,
}

impl ToolChanges {
    /// Takes the changes out of the conversation. Their blocks stay, as definitions that have been taken.
    ///
    /// # Errors
    /// When a change is about a tool of an MCP server, which cannot be called here.
    pub(super) fn take(messages: &mut [Message]) -> Result<Self, Error> {
        let mut changes = Self::default();
        for (index, message) in messages.iter_mut().enumerate() {
            let Some(Content::Blocks(blocks)) = &mut message.content else { continue };
            for (position, block) in blocks.iter_mut().enumerate() {
                let place = || format!("messages.{index}.content.{position}.tool");
                let (change, offered) = match &mut block.kind {
                    BlockKind::ToolAddition(change) => (change, true),
                    BlockKind::ToolRemoval(change) => (change, false),
                    _ => continue,
                };
                changes.apply(change, offered, place)?;
            }
        }
        Ok(changes)
    }

    /// The tools that were defined in mid-conversation, the last definition of each name, in the order of names.
    pub(super) fn take_defined(&mut self) -> BTreeMap<String, Tool> {
        std::mem::take(&mut self.defined)
    }

    /// Whether the tool was withdrawn, and not added again.
    pub(super) fn withdrew(&self, name: &str) -> bool {
        self.offered.get(name) == Some(&false)
    }

    /// Whether the tool was added, and not withdrawn again.
    pub(super) fn added(&self, name: &str) -> bool {
        self.offered.get(name) == Some(&true)
    }

    fn apply(
        &mut self,
        change: &mut ToolChange,
        offered: bool,
        place: impl Fn() -> String,
    ) -> Result<(), Error> {
        let name = match change {
            ToolChange::Reference(name) => {
                let name = std::mem::take(name);
                *change = ToolChange::Definition(None);
                name
            }
            ToolChange::Definition(definition) => {
                let Some(tool) = definition.take() else { return Ok(()) };
                let name = tool.name.clone().unwrap_or_default();
                self.defined.insert(name.clone(), *tool);
                name
            }
            ToolChange::Other(kind) => {
                let message =
                    format!("{}: `{kind}` is about remote MCP servers, which cannot be called here", place());
                return Err(Error::invalid_request(message));
            }
        };
        self.offered.insert(name, offered);
        Ok(())
    }
}
