
use builtin;
use str;

set edit:completion:arg-completer[aiapiproxy] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'aiapiproxy'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'aiapiproxy'= {
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand serve 'Run the proxy: listen for clients of Anthropic''s API and answer with the upstream''s models'
            cand run 'Run a command, such as claude, with a proxy of its own'
            cand convert 'Translate requests, responses, streams and errors between dialects'
            cand check 'Try every step to the upstream: name, connection, TLS, key, models'
            cand models 'Show which upstream model stands for which requested name'
            cand health 'Ask a running server whether it is well'
            cand config 'See, check or begin the configuration'
            cand keys 'Make keys that clients present to the server'
            cand completions 'Print the completion script of a shell'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aiapiproxy;serve'= {
            cand --host 'Address to listen on [default: 127.0.0.1] [env: SERVER_HOST]'
            cand --port 'Port to listen on; 0 lets the system choose [default: 8082] [env: SERVER_PORT]'
            cand --base-url 'The upstream''s address [env: OPENAI_BASE_URL]'
            cand --preset 'The kind of upstream; default: what the address tells'
            cand --dialect 'What is spoken to the upstream: auto, chat, responses or messages [default: auto] [env: OPENAI_DIALECT]'
            cand --log-format 'The form of log lines [default: text] [env: LOG_FORMAT]'
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand --allow-unauthenticated 'Allow `auth = "none"` beyond loopback: whoever reaches the port spends your key'
            cand --demo 'Answer from an upstream inside this program: no key, no network'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;run'= {
            cand --base-url 'The upstream''s address [env: OPENAI_BASE_URL]'
            cand --preset 'The kind of upstream; default: what the address tells'
            cand --dialect 'What is spoken to the upstream: auto, chat, responses or messages [default: auto] [env: OPENAI_DIALECT]'
            cand --log-file 'Write the proxy''s log to this file and keep it'
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand --demo 'Answer from an upstream inside this program: no key, no network'
            cand --keep-env 'Leave ANTHROPIC_API_KEY and the upstream''s key in the command''s environment'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;convert'= {
            cand -o 'Write to this file instead of stdout'
            cand --output 'Write to this file instead of stdout'
            cand --kind 'What the input is; `auto` looks at it'
            cand --from 'The input''s dialect; default: messages for a request, else what the input shows'
            cand --to 'The output''s dialect; default: chat for a request, else messages'
            cand --model 'The upstream''s model for a request, the model to report for a response'
            cand --request 'The original request of a response or stream, for names, ids and stop sequences'
            cand --status 'The status that came with an error; default: the one in the body, or else 500'
            cand --preset 'The kind of upstream that is asked or that answered; default: that of --config, or else generic'
            cand --report 'List what got lost as JSON lines on stderr or in FILE'
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand --aggregate 'Fold a stream into one message'
            cand --explode 'Write a message as a stream'
            cand --jsonl 'Read one document a line, and write one a line'
            cand --pretty 'Indent JSON output; numbers and the order of members stay as they are'
            cand --strict 'Exit with 65 instead of losing anything; a stream has been written by then'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;check'= {
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand --complete 'Also ask each mapped model for a tiny answer, whole and as a stream'
            cand --json 'Print JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;models'= {
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand --live 'Ask the upstream which of the models it really has'
            cand --json 'Print JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;health'= {
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;config'= {
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand show 'Print every setting as it is in force, without secrets'
            cand validate 'Say whether the configuration is right'
            cand schema 'schema'
            cand init 'Write a commented configuration file to begin with'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aiapiproxy;config;show'= {
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand --origin 'Say of each setting where it came from'
            cand --json 'Print JSON, always with origins'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;config;validate'= {
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand --strict 'Take warnings for mistakes'
            cand --json 'Print JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;config;schema'= {
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;config;init'= {
            cand --preset 'The kind of upstream'
            cand --base-url 'The upstream''s address'
            cand --api-key-env 'The variable that holds the upstream''s key [default: OPENAI_API_KEY]'
            cand --haiku 'The upstream''s model for haiku'
            cand --sonnet 'The upstream''s model for sonnet'
            cand --opus 'The upstream''s model for opus'
            cand -o 'The file to write, or - for stdout; default: where the program looks for it'
            cand --output 'The file to write, or - for stdout; default: where the program looks for it'
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand --force 'Write over a file that is there'
            cand -y 'Ask nothing, even on a terminal'
            cand --yes 'Ask nothing, even on a terminal'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;config;help'= {
            cand show 'Print every setting as it is in force, without secrets'
            cand validate 'Say whether the configuration is right'
            cand schema 'schema'
            cand init 'Write a commented configuration file to begin with'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aiapiproxy;config;help;show'= {
        }
        &'aiapiproxy;config;help;validate'= {
        }
        &'aiapiproxy;config;help;schema'= {
        }
        &'aiapiproxy;config;help;init'= {
        }
        &'aiapiproxy;config;help;help'= {
        }
        &'aiapiproxy;keys'= {
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand new 'Make a key: print it once, and the table for the configuration file, which holds only its hash'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aiapiproxy;keys;new'= {
            cand --id 'What logs call the client; up to 64 letters, digits, `-`, `_`, `.`, `@`'
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand --json 'Print JSON'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;keys;help'= {
            cand new 'Make a key: print it once, and the table for the configuration file, which holds only its hash'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aiapiproxy;keys;help;new'= {
        }
        &'aiapiproxy;keys;help;help'= {
        }
        &'aiapiproxy;completions'= {
            cand --config 'Read this configuration file and no other'
            cand --env-file 'Take every known variable that the environment does not set from this file'
            cand --color 'When to use colours'
            cand --dynamic 'A script that asks this program each time, and so knows the models and upstreams of the configuration'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'aiapiproxy;help'= {
            cand serve 'Run the proxy: listen for clients of Anthropic''s API and answer with the upstream''s models'
            cand run 'Run a command, such as claude, with a proxy of its own'
            cand convert 'Translate requests, responses, streams and errors between dialects'
            cand check 'Try every step to the upstream: name, connection, TLS, key, models'
            cand models 'Show which upstream model stands for which requested name'
            cand health 'Ask a running server whether it is well'
            cand config 'See, check or begin the configuration'
            cand keys 'Make keys that clients present to the server'
            cand completions 'Print the completion script of a shell'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'aiapiproxy;help;serve'= {
        }
        &'aiapiproxy;help;run'= {
        }
        &'aiapiproxy;help;convert'= {
        }
        &'aiapiproxy;help;check'= {
        }
        &'aiapiproxy;help;models'= {
        }
        &'aiapiproxy;help;health'= {
        }
        &'aiapiproxy;help;config'= {
            cand show 'Print every setting as it is in force, without secrets'
            cand validate 'Say whether the configuration is right'
            cand schema 'schema'
            cand init 'Write a commented configuration file to begin with'
        }
        &'aiapiproxy;help;config;show'= {
        }
        &'aiapiproxy;help;config;validate'= {
        }
        &'aiapiproxy;help;config;schema'= {
        }
        &'aiapiproxy;help;config;init'= {
        }
        &'aiapiproxy;help;keys'= {
            cand new 'Make a key: print it once, and the table for the configuration file, which holds only its hash'
        }
        &'aiapiproxy;help;keys;new'= {
        }
        &'aiapiproxy;help;completions'= {
        }
        &'aiapiproxy;help;help'= {
        }
    ]
    $completions[$command]
}
