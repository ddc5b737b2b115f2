
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'aiapiproxy' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'aiapiproxy'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'aiapiproxy' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the proxy: listen for clients of Anthropic''s API and answer with the upstream''s models')
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Run a command, such as claude, with a proxy of its own')
            [CompletionResult]::new('convert', 'convert', [CompletionResultType]::ParameterValue, 'Translate requests, responses, streams and errors between dialects')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Try every step to the upstream: name, connection, TLS, key, models')
            [CompletionResult]::new('models', 'models', [CompletionResultType]::ParameterValue, 'Show which upstream model stands for which requested name')
            [CompletionResult]::new('health', 'health', [CompletionResultType]::ParameterValue, 'Ask a running server whether it is well')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'See, check or begin the configuration')
            [CompletionResult]::new('keys', 'keys', [CompletionResultType]::ParameterValue, 'Make keys that clients present to the server')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aiapiproxy;serve' {
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Address to listen on [default: 127.0.0.1] [env: SERVER_HOST]')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Port to listen on; 0 lets the system choose [default: 8082] [env: SERVER_PORT]')
            [CompletionResult]::new('--base-url', '--base-url', [CompletionResultType]::ParameterName, 'The upstream''s address [env: OPENAI_BASE_URL]')
            [CompletionResult]::new('--preset', '--preset', [CompletionResultType]::ParameterName, 'The kind of upstream; default: what the address tells')
            [CompletionResult]::new('--dialect', '--dialect', [CompletionResultType]::ParameterName, 'What is spoken to the upstream: auto, chat, responses or messages [default: auto] [env: OPENAI_DIALECT]')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'The form of log lines [default: text] [env: LOG_FORMAT]')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--allow-unauthenticated', '--allow-unauthenticated', [CompletionResultType]::ParameterName, 'Allow `auth = "none"` beyond loopback: whoever reaches the port spends your key')
            [CompletionResult]::new('--demo', '--demo', [CompletionResultType]::ParameterName, 'Answer from an upstream inside this program: no key, no network')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;run' {
            [CompletionResult]::new('--base-url', '--base-url', [CompletionResultType]::ParameterName, 'The upstream''s address [env: OPENAI_BASE_URL]')
            [CompletionResult]::new('--preset', '--preset', [CompletionResultType]::ParameterName, 'The kind of upstream; default: what the address tells')
            [CompletionResult]::new('--dialect', '--dialect', [CompletionResultType]::ParameterName, 'What is spoken to the upstream: auto, chat, responses or messages [default: auto] [env: OPENAI_DIALECT]')
            [CompletionResult]::new('--log-file', '--log-file', [CompletionResultType]::ParameterName, 'Write the proxy''s log to this file and keep it')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--demo', '--demo', [CompletionResultType]::ParameterName, 'Answer from an upstream inside this program: no key, no network')
            [CompletionResult]::new('--keep-env', '--keep-env', [CompletionResultType]::ParameterName, 'Leave ANTHROPIC_API_KEY and the upstream''s key in the command''s environment')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;convert' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write to this file instead of stdout')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write to this file instead of stdout')
            [CompletionResult]::new('--kind', '--kind', [CompletionResultType]::ParameterName, 'What the input is; `auto` looks at it')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'The input''s dialect; default: messages for a request, else what the input shows')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'The output''s dialect; default: chat for a request, else messages')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'The upstream''s model for a request, the model to report for a response')
            [CompletionResult]::new('--request', '--request', [CompletionResultType]::ParameterName, 'The original request of a response or stream, for names, ids and stop sequences')
            [CompletionResult]::new('--status', '--status', [CompletionResultType]::ParameterName, 'The status that came with an error; default: the one in the body, or else 500')
            [CompletionResult]::new('--preset', '--preset', [CompletionResultType]::ParameterName, 'The kind of upstream that is asked or that answered; default: that of --config, or else generic')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'List what got lost as JSON lines on stderr or in FILE')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--aggregate', '--aggregate', [CompletionResultType]::ParameterName, 'Fold a stream into one message')
            [CompletionResult]::new('--explode', '--explode', [CompletionResultType]::ParameterName, 'Write a message as a stream')
            [CompletionResult]::new('--jsonl', '--jsonl', [CompletionResultType]::ParameterName, 'Read one document a line, and write one a line')
            [CompletionResult]::new('--pretty', '--pretty', [CompletionResultType]::ParameterName, 'Indent JSON output; numbers and the order of members stay as they are')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Exit with 65 instead of losing anything; a stream has been written by then')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;check' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--complete', '--complete', [CompletionResultType]::ParameterName, 'Also ask each mapped model for a tiny answer, whole and as a stream')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;models' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--live', '--live', [CompletionResultType]::ParameterName, 'Ask the upstream which of the models it really has')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;health' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;config' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print every setting as it is in force, without secrets')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Say whether the configuration is right')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'schema')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a commented configuration file to begin with')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aiapiproxy;config;show' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--origin', '--origin', [CompletionResultType]::ParameterName, 'Say of each setting where it came from')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON, always with origins')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;config;validate' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Take warnings for mistakes')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;config;schema' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;config;init' {
            [CompletionResult]::new('--preset', '--preset', [CompletionResultType]::ParameterName, 'The kind of upstream')
            [CompletionResult]::new('--base-url', '--base-url', [CompletionResultType]::ParameterName, 'The upstream''s address')
            [CompletionResult]::new('--api-key-env', '--api-key-env', [CompletionResultType]::ParameterName, 'The variable that holds the upstream''s key [default: OPENAI_API_KEY]')
            [CompletionResult]::new('--haiku', '--haiku', [CompletionResultType]::ParameterName, 'The upstream''s model for haiku')
            [CompletionResult]::new('--sonnet', '--sonnet', [CompletionResultType]::ParameterName, 'The upstream''s model for sonnet')
            [CompletionResult]::new('--opus', '--opus', [CompletionResultType]::ParameterName, 'The upstream''s model for opus')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'The file to write, or - for stdout; default: where the program looks for it')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'The file to write, or - for stdout; default: where the program looks for it')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Write over a file that is there')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Ask nothing, even on a terminal')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Ask nothing, even on a terminal')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;config;help' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print every setting as it is in force, without secrets')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Say whether the configuration is right')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'schema')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a commented configuration file to begin with')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aiapiproxy;config;help;show' {
            break
        }
        'aiapiproxy;config;help;validate' {
            break
        }
        'aiapiproxy;config;help;schema' {
            break
        }
        'aiapiproxy;config;help;init' {
            break
        }
        'aiapiproxy;config;help;help' {
            break
        }
        'aiapiproxy;keys' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Make a key: print it once, and the table for the configuration file, which holds only its hash')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aiapiproxy;keys;new' {
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'What logs call the client; up to 64 letters, digits, `-`, `_`, `.`, `@`')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;keys;help' {
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Make a key: print it once, and the table for the configuration file, which holds only its hash')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aiapiproxy;keys;help;new' {
            break
        }
        'aiapiproxy;keys;help;help' {
            break
        }
        'aiapiproxy;completions' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Read this configuration file and no other')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'Take every known variable that the environment does not set from this file')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colours')
            [CompletionResult]::new('--dynamic', '--dynamic', [CompletionResultType]::ParameterName, 'A script that asks this program each time, and so knows the models and upstreams of the configuration')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'aiapiproxy;help' {
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Run the proxy: listen for clients of Anthropic''s API and answer with the upstream''s models')
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Run a command, such as claude, with a proxy of its own')
            [CompletionResult]::new('convert', 'convert', [CompletionResultType]::ParameterValue, 'Translate requests, responses, streams and errors between dialects')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Try every step to the upstream: name, connection, TLS, key, models')
            [CompletionResult]::new('models', 'models', [CompletionResultType]::ParameterValue, 'Show which upstream model stands for which requested name')
            [CompletionResult]::new('health', 'health', [CompletionResultType]::ParameterValue, 'Ask a running server whether it is well')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'See, check or begin the configuration')
            [CompletionResult]::new('keys', 'keys', [CompletionResultType]::ParameterValue, 'Make keys that clients present to the server')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'aiapiproxy;help;serve' {
            break
        }
        'aiapiproxy;help;run' {
            break
        }
        'aiapiproxy;help;convert' {
            break
        }
        'aiapiproxy;help;check' {
            break
        }
        'aiapiproxy;help;models' {
            break
        }
        'aiapiproxy;help;health' {
            break
        }
        'aiapiproxy;help;config' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print every setting as it is in force, without secrets')
            [CompletionResult]::new('validate', 'validate', [CompletionResultType]::ParameterValue, 'Say whether the configuration is right')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'schema')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write a commented configuration file to begin with')
            break
        }
        'aiapiproxy;help;config;show' {
            break
        }
        'aiapiproxy;help;config;validate' {
            break
        }
        'aiapiproxy;help;config;schema' {
            break
        }
        'aiapiproxy;help;config;init' {
            break
        }
        'aiapiproxy;help;keys' {
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Make a key: print it once, and the table for the configuration file, which holds only its hash')
            break
        }
        'aiapiproxy;help;keys;new' {
            break
        }
        'aiapiproxy;help;completions' {
            break
        }
        'aiapiproxy;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
