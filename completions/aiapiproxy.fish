# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_aiapiproxy_global_optspecs
    string join \n config= env-file= color= h/help V/version
end

function __fish_aiapiproxy_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_aiapiproxy_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_aiapiproxy_using_subcommand
    set -l cmd (__fish_aiapiproxy_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -s V -l version -d 'Print version'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -f -a "serve" -d 'Run the proxy: listen for clients of Anthropic\'s API and answer with the upstream\'s models'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -f -a "run" -d 'Run a command, such as claude, with a proxy of its own'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -f -a "convert" -d 'Translate requests, responses, streams and errors between dialects'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -f -a "check" -d 'Try every step to the upstream: name, connection, TLS, key, models'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -f -a "models" -d 'Show which upstream model stands for which requested name'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -f -a "health" -d 'Ask a running server whether it is well'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -f -a "config" -d 'See, check or begin the configuration'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -f -a "keys" -d 'Make keys that clients present to the server'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c aiapiproxy -n "__fish_aiapiproxy_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l host -d 'Address to listen on [default: 127.0.0.1] [env: SERVER_HOST]' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l port -d 'Port to listen on; 0 lets the system choose [default: 8082] [env: SERVER_PORT]' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l base-url -d 'The upstream\'s address [env: OPENAI_BASE_URL]' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l preset -d 'The kind of upstream; default: what the address tells' -r -f -a "openai\t''
azure\t''
anthropic\t''
openrouter\t''
groq\t''
deepseek\t''
mistral\t''
gemini\t''
vllm\t''
sglang\t''
llama.cpp\t''
ollama\t''
lmstudio\t''
generic\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l dialect -d 'What is spoken to the upstream: auto, chat, responses or messages [default: auto] [env: OPENAI_DIALECT]' -r -f -a "auto\t''
chat\t''
responses\t''
messages\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l log-format -d 'The form of log lines [default: text] [env: LOG_FORMAT]' -r -f -a "text\t''
json\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l allow-unauthenticated -d 'Allow `auth = "none"` beyond loopback: whoever reaches the port spends your key'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -l demo -d 'Answer from an upstream inside this program: no key, no network'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand run" -l base-url -d 'The upstream\'s address [env: OPENAI_BASE_URL]' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand run" -l preset -d 'The kind of upstream; default: what the address tells' -r -f -a "openai\t''
azure\t''
anthropic\t''
openrouter\t''
groq\t''
deepseek\t''
mistral\t''
gemini\t''
vllm\t''
sglang\t''
llama.cpp\t''
ollama\t''
lmstudio\t''
generic\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand run" -l dialect -d 'What is spoken to the upstream: auto, chat, responses or messages [default: auto] [env: OPENAI_DIALECT]' -r -f -a "auto\t''
chat\t''
responses\t''
messages\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand run" -l log-file -d 'Write the proxy\'s log to this file and keep it' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand run" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand run" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand run" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand run" -l demo -d 'Answer from an upstream inside this program: no key, no network'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand run" -l keep-env -d 'Leave ANTHROPIC_API_KEY and the upstream\'s key in the command\'s environment'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -s o -l output -d 'Write to this file instead of stdout' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l kind -d 'What the input is; `auto` looks at it' -r -f -a "auto\t''
request\t''
response\t''
stream\t''
error\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l from -d 'The input\'s dialect; default: messages for a request, else what the input shows' -r -f -a "messages\t'Anthropic\'s Messages API'
chat\t'OpenAI\'s chat completions'
responses\t'OpenAI\'s Responses API'"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l to -d 'The output\'s dialect; default: chat for a request, else messages' -r -f -a "messages\t'Anthropic\'s Messages API'
chat\t'OpenAI\'s chat completions'
responses\t'OpenAI\'s Responses API'"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l model -d 'The upstream\'s model for a request, the model to report for a response' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l request -d 'The original request of a response or stream, for names, ids and stop sequences' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l status -d 'The status that came with an error; default: the one in the body, or else 500' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l preset -d 'The kind of upstream that is asked or that answered; default: that of --config, or else generic' -r -f -a "openai\t''
azure\t''
anthropic\t''
openrouter\t''
groq\t''
deepseek\t''
mistral\t''
gemini\t''
vllm\t''
sglang\t''
llama.cpp\t''
ollama\t''
lmstudio\t''
generic\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l report -d 'List what got lost as JSON lines on stderr or in FILE' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l aggregate -d 'Fold a stream into one message'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l explode -d 'Write a message as a stream'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l jsonl -d 'Read one document a line, and write one a line'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l pretty -d 'Indent JSON output; numbers and the order of members stay as they are'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -l strict -d 'Exit with 65 instead of losing anything; a stream has been written by then'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand convert" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand check" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand check" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand check" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand check" -l complete -d 'Also ask each mapped model for a tiny answer, whole and as a stream'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand check" -l json -d 'Print JSON'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand models" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand models" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand models" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand models" -l live -d 'Ask the upstream which of the models it really has'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand models" -l json -d 'Print JSON'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand models" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand health" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand health" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand health" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand health" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and not __fish_seen_subcommand_from show validate schema init help" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and not __fish_seen_subcommand_from show validate schema init help" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and not __fish_seen_subcommand_from show validate schema init help" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and not __fish_seen_subcommand_from show validate schema init help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and not __fish_seen_subcommand_from show validate schema init help" -f -a "show" -d 'Print every setting as it is in force, without secrets'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and not __fish_seen_subcommand_from show validate schema init help" -f -a "validate" -d 'Say whether the configuration is right'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and not __fish_seen_subcommand_from show validate schema init help" -f -a "schema"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and not __fish_seen_subcommand_from show validate schema init help" -f -a "init" -d 'Write a commented configuration file to begin with'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and not __fish_seen_subcommand_from show validate schema init help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from show" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from show" -l origin -d 'Say of each setting where it came from'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print JSON, always with origins'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from validate" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from validate" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from validate" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from validate" -l strict -d 'Take warnings for mistakes'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from validate" -l json -d 'Print JSON'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from schema" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from schema" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from schema" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -l preset -d 'The kind of upstream' -r -f -a "openai\t''
azure\t''
anthropic\t''
openrouter\t''
groq\t''
deepseek\t''
mistral\t''
gemini\t''
vllm\t''
sglang\t''
llama.cpp\t''
ollama\t''
lmstudio\t''
generic\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -l base-url -d 'The upstream\'s address' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -l api-key-env -d 'The variable that holds the upstream\'s key [default: OPENAI_API_KEY]' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -l haiku -d 'The upstream\'s model for haiku' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -l sonnet -d 'The upstream\'s model for sonnet' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -l opus -d 'The upstream\'s model for opus' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -s o -l output -d 'The file to write, or - for stdout; default: where the program looks for it' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -l force -d 'Write over a file that is there'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -s y -l yes -d 'Ask nothing, even on a terminal'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print every setting as it is in force, without secrets'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "validate" -d 'Say whether the configuration is right'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "schema"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "init" -d 'Write a commented configuration file to begin with'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and not __fish_seen_subcommand_from new help" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and not __fish_seen_subcommand_from new help" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and not __fish_seen_subcommand_from new help" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and not __fish_seen_subcommand_from new help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and not __fish_seen_subcommand_from new help" -f -a "new" -d 'Make a key: print it once, and the table for the configuration file, which holds only its hash'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and not __fish_seen_subcommand_from new help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and __fish_seen_subcommand_from new" -l id -d 'What logs call the client; up to 64 letters, digits, `-`, `_`, `.`, `@`' -r
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and __fish_seen_subcommand_from new" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and __fish_seen_subcommand_from new" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and __fish_seen_subcommand_from new" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and __fish_seen_subcommand_from new" -l json -d 'Print JSON'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "new" -d 'Make a key: print it once, and the table for the configuration file, which holds only its hash'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand completions" -l config -d 'Read this configuration file and no other' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand completions" -l env-file -d 'Take every known variable that the environment does not set from this file' -r -F
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand completions" -l color -d 'When to use colours' -r -f -a "auto\t''
always\t''
never\t''"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand completions" -l dynamic -d 'A script that asks this program each time, and so knows the models and upstreams of the configuration'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and not __fish_seen_subcommand_from serve run convert check models health config keys completions help" -f -a "serve" -d 'Run the proxy: listen for clients of Anthropic\'s API and answer with the upstream\'s models'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and not __fish_seen_subcommand_from serve run convert check models health config keys completions help" -f -a "run" -d 'Run a command, such as claude, with a proxy of its own'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and not __fish_seen_subcommand_from serve run convert check models health config keys completions help" -f -a "convert" -d 'Translate requests, responses, streams and errors between dialects'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and not __fish_seen_subcommand_from serve run convert check models health config keys completions help" -f -a "check" -d 'Try every step to the upstream: name, connection, TLS, key, models'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and not __fish_seen_subcommand_from serve run convert check models health config keys completions help" -f -a "models" -d 'Show which upstream model stands for which requested name'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and not __fish_seen_subcommand_from serve run convert check models health config keys completions help" -f -a "health" -d 'Ask a running server whether it is well'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and not __fish_seen_subcommand_from serve run convert check models health config keys completions help" -f -a "config" -d 'See, check or begin the configuration'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and not __fish_seen_subcommand_from serve run convert check models health config keys completions help" -f -a "keys" -d 'Make keys that clients present to the server'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and not __fish_seen_subcommand_from serve run convert check models health config keys completions help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and not __fish_seen_subcommand_from serve run convert check models health config keys completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Print every setting as it is in force, without secrets'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "validate" -d 'Say whether the configuration is right'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "schema"
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "init" -d 'Write a commented configuration file to begin with'
complete -c aiapiproxy -n "__fish_aiapiproxy_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "new" -d 'Make a key: print it once, and the table for the configuration file, which holds only its hash'
