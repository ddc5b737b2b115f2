//! Tool names: stub.
/// Names that had to change.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToolNames {}
