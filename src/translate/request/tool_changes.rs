//! Changes of the tools in mid-conversation: `tool_addition` and `tool_removal` in system messages, and what a
//! compaction keeps of them.
//!
//! Chat completions know one list of tools per request, so the changes are applied to it in their order.

use super::place::Place;
use crate::protocol::anthropic::block::{Block, BlockKind, Content};
use crate::protocol::anthropic::error::Error;
use crate::protocol::anthropic::request::{Message, Tool, ToolChange};
use std::collections::BTreeMap;

/// What all changes together come to.
#[derive(Debug, Default)]
pub(super) struct ToolChanges {
    /// Whether a tool is offered in the end, by its name; tools that are not named here stay as they were.
    offered: BTreeMap<String, bool>,
    /// Tools that were defined in mid-conversation, and where.
    defined: BTreeMap<String, (Place, Tool)>,
    /// Tools that were only named, and where.
    references: Vec<(String, Place)>,
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
            for (position, block) in
                blocks.iter_mut().enumerate().filter(|(_, block)| may_change(&block.kind))
            {
                let place = Place::top("messages").child(index).child("content").child(position);
                changes.take_from(block, &place)?;
            }
        }
        Ok(changes)
    }

    fn take_from(&mut self, block: &mut Block, place: &Place) -> Result<(), Error> {
        match &mut block.kind {
            BlockKind::ToolAddition(change) => self.apply(change, true, || place.child("tool")),
            BlockKind::ToolRemoval(change) => self.apply(change, false, || place.child("tool")),
            // Without content the compaction failed, and the server takes it for nothing.
            BlockKind::Compaction { content: Some(_), tool_changes } => {
                let place = place.child("tool_changes");
                for (position, change) in tool_changes.iter_mut().enumerate() {
                    let place = place.child(position);
                    if !matches!(change.kind, BlockKind::ToolAddition(_) | BlockKind::ToolRemoval(_)) {
                        return Err(place.refuse("only tool_addition and tool_removal belong here"));
                    }
                    self.take_from(change, &place)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The tools that were defined in mid-conversation, the last definition of each name, in the order of names.
    pub(super) fn take_defined(&mut self) -> BTreeMap<String, (Place, Tool)> {
        std::mem::take(&mut self.defined)
    }

    /// The tools that changes named without defining them, and where.
    pub(super) fn references(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.references.iter().map(|(name, place)| (name.as_str(), place))
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
        place: impl Fn() -> Place,
    ) -> Result<(), Error> {
        let name = match change {
            ToolChange::Reference(name) => {
                let name = std::mem::take(name);
                *change = ToolChange::Definition(None);
                self.references.push((name.clone(), place()));
                name
            }
            ToolChange::Definition(definition) => {
                let Some(tool) = definition.take() else { return Ok(()) };
                let name = tool.name.clone().unwrap_or_default();
                self.defined.insert(name.clone(), (place().child("definition"), *tool));
                name
            }
            ToolChange::Other(kind) => {
                return Err(place().refuse(format_args!(
                    "`{kind}` is about remote MCP servers, which cannot be called here"
                )));
            }
        };
        self.offered.insert(name, offered);
        Ok(())
    }
}

const fn may_change(kind: &BlockKind) -> bool {
    matches!(kind, BlockKind::ToolAddition(_) | BlockKind::ToolRemoval(_) | BlockKind::Compaction { .. })
}
