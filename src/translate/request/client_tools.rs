//! Anthropic's own client tools (bash, text editor, memory) as functions that any model can be told of.

/// One of Anthropic's client tools: the model knows its schema by heart, other models must be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientTool {
    pub(super) family: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) schema: &'static str,
}

/// Schemas as Anthropic's documentation describes the tools (read 2026-11-22).
pub(super) static CLIENT_TOOLS: [ClientTool; 3] = [
    ClientTool {
        family: "bash_",
        name: "bash",
        description: "Runs a command in a persistent bash session and returns its output.",
        schema: r#"{"type":"object","properties":{"command":{"type":"string","description":"The command to run. Required unless the session is restarted."},"restart":{"type":"boolean","description":"Set to true to restart the session."}}}"#,
    },
    ClientTool {
        family: "text_editor_",
        name: "str_replace_based_edit_tool",
        description: "Views, creates and edits text files.",
        schema: r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert"],"description":"What to do."},"path":{"type":"string","description":"Absolute path of the file or directory."},"view_range":{"type":"array","items":{"type":"integer"},"description":"For view: first and last line, from 1; -1 is the end."},"file_text":{"type":"string","description":"For create: the content of the file."},"old_str":{"type":"string","description":"For str_replace: the text to replace, which must occur exactly once."},"new_str":{"type":"string","description":"For str_replace: the new text."},"insert_line":{"type":"integer","description":"For insert: the line after which to insert, 0 for the beginning."},"insert_text":{"type":"string","description":"For insert: the text to insert."}},"required":["command","path"]}"#,
    },
    ClientTool {
        family: "memory_",
        name: "memory",
        description: "Reads and writes files under /memories, which last between conversations.",
        schema: r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"],"description":"What to do."},"path":{"type":"string","description":"Path of the file or directory under /memories."},"view_range":{"type":"array","items":{"type":"integer"},"description":"For view: first and last line."},"file_text":{"type":"string","description":"For create: the content of the file."},"old_str":{"type":"string","description":"For str_replace: the text to replace."},"new_str":{"type":"string","description":"For str_replace: the new text."},"insert_line":{"type":"integer","description":"For insert: the line after which to insert."},"insert_text":{"type":"string","description":"For insert: the text to insert."},"old_path":{"type":"string","description":"For rename: the old path."},"new_path":{"type":"string","description":"For rename: the new path."}},"required":["command"]}"#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::json_object::Members;
    use serde_json::value::RawValue;

    #[test]
    fn built_in_schemas_are_objects_with_properties() {
        for tool in &CLIENT_TOOLS {
            let schema: Box<RawValue> = RawValue::from_string(tool.schema.to_owned()).unwrap();
            let members = Members::read(&schema).unwrap();
            assert_eq!(members.get("type").unwrap().get(), "\"object\"");
            assert!(Members::read(members.get("properties").unwrap()).is_some());
        }
    }
}
