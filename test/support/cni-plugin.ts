/** CNI plugins of ours: shell scripts that write down what they are asked, and behave as a test tells them. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type PluginCommand = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** One run of a test plugin. */
export interface RecordedCall {
  /** The plugin's type. */
  plugin: string;
  command: string;
  /** The variables whose names begin with CNI_. */
  environment: Record<string, string>;
  /** Standard input; undefined when the plugin did not read it. */
  input: Record<string, unknown> | undefined;
}

export interface TestPlugin {
  type: string;
  path: string;
  /**
   * What the plugin does from now on for a command: lines of sh, or undefined for what is usual. By then the call is
   * written down, `$input` names a file with its standard input, and `as_usual` does what is usual: VERSION knows all
   * versions; ADD prints the result before it, or else one with the address `$address` (10.1.0.5); the others print
   * nothing.
   * @param options readsInput false: standard input is left as it is
   */
  behave(command: PluginCommand, script?: string, options?: { readsInput?: boolean }): void;
  /** Its calls, oldest first; one that has not read its input yet is not among them. */
  calls(command?: PluginCommand): RecordedCall[];
}

/** Beside the plugins, and no plugin itself. */
const stateOf = (directory: string): string => join(directory, ".test-plugins");

/** Writes a plugin into a directory for plugins; one that is there already is replaced, and so is its behaviour. */
export function makeTestPlugin(directory: string, type: string): TestPlugin {
  const state = stateOf(directory);
  const own = join(state, "behaviour", type);
  rmSync(own, { recursive: true, force: true });
  for (const folder of [own, join(state, "calls")]) mkdirSync(folder, { recursive: true });
  const path = join(directory, type);
  put(path, scriptOf(state, type));
  return {
    type,
    path,
    behave: (command, script = "as_usual", { readsInput = true } = {}) => {
      const reads = readsInput ? "read_input\n" : "";
      put(join(own, command), `${reads}call_is_recorded\n${script}\n`);
    },
    calls: (command) =>
      callsIn(directory).filter((call) => call.plugin === type && (!command || call.command === command)),
  };
}

/** The calls of all test plugins of a directory, oldest first. */
export function callsIn(directory: string): RecordedCall[] {
  const folder = join(stateOf(directory), "calls");
  const names = readdirSync(folder);
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  return names
    .filter((name) => name.endsWith(".recorded"))
    .map((name) => name.replace(".recorded", ""))
    .sort((a, b) => Number(a) - Number(b))
    .map((number) => {
      const all = Object.fromEntries(
        read(`${number}.environment`)
          .split("\0")
          .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      ) as Record<string, string>;
      const environment = Object.fromEntries(Object.entries(all).filter(([name]) => name.startsWith("CNI_")));
      const text = names.includes(`${number}.input`) ? read(`${number}.input`) : "";
      return {
        plugin: read(number).trim(),
        command: environment["CNI_COMMAND"] ?? "",
        environment,
        input: text === "" ? undefined : (JSON.parse(text) as Record<string, unknown>),
      };
    });
}

/** All or nothing, since a plugin may be reading it, and in a new file, since it may be running. */
function put(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  chmodSync(`${path}.new`, 0o755);
  renameSync(`${path}.new`, path);
}

/** The numbers are given by whoever can make the file of that name, so calls at the same time get one each. */
const scriptOf = (state: string, type: string): string => `#!/bin/sh
calls='${state}/calls'
number=1
set -C
until { echo '${type}' >"$calls/$number"; } 2>/dev/null; do number=$((number + 1)); done
set +C
cat /proc/self/environ >"$calls/$number.environment"
input=$calls/$number.input
address=10.1.0.5

read_input() { cat >"$input"; }
call_is_recorded() { : >"$calls/$number.recorded"; }

# The JSON texts that we get are one line, and what was the result before is their last field.
print_result() {
  if grep -q '"prevResult":' "$input"; then
    sed 's/.*"prevResult":\\(.*\\)}$/\\1/' "$input"
    return
  fi
  version=$(sed 's/.*"cniVersion":"\\([^"]*\\)".*/\\1/' "$input")
  case $version in
    0.1.0 | 0.2.0) echo "{\\"cniVersion\\":\\"$version\\",\\"ip4\\":{\\"ip\\":\\"$address/24\\"}}" ;;
    *)
      interface="{\\"name\\":\\"$CNI_IFNAME\\",\\"sandbox\\":\\"$CNI_NETNS\\"}"
      ip="{\\"version\\":\\"4\\",\\"address\\":\\"$address/24\\",\\"interface\\":0}"
      echo "{\\"cniVersion\\":\\"$version\\",\\"interfaces\\":[$interface],\\"ips\\":[$ip]}"
      ;;
  esac
}

as_usual() {
  case $CNI_COMMAND in
    VERSION)
      echo '{"cniVersion":"1.1.0",'
      echo '"supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}'
      ;;
    ADD) print_result ;;
  esac
}

if [ -e '${state}/behaviour/${type}/'"$CNI_COMMAND" ]; then
  . '${state}/behaviour/${type}/'"$CNI_COMMAND"
else
  read_input
  call_is_recorded
  as_usual
fi
`;
