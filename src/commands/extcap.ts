// `podwire extcap`: the plug-in by which Wireshark lists an emulated cluster among its interfaces and captures from it.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidArgumentError, type Command } from "commander";
import { InputError } from "../errors.ts";
import { configAnswer, EXTCAP_INTERFACE, interfacesAnswer, linkTypesAnswer } from "../extcap/protocol.ts";
import { run } from "./run.ts";
import { durationOption, integer, paceOption } from "./options.ts";
import { version } from "./version.ts";

interface ExtcapFlags {
  install?: boolean;
  folder?: string;
  extcapInterfaces?: boolean;
  extcapInterface?: string;
  extcapDlts?: boolean;
  extcapConfig?: boolean;
  extcapCaptureFilter?: string;
  capture?: boolean;
  fifo?: string;
  file?: string;
  devices?: string;
  pace?: string;
  duration?: string;
  nodes?: string;
}

/** Adds the command to the program. */
export function addExtcapCommand(program: Command): void {
  program
    .command("extcap")
    .summary("make the emulated network an interface of Wireshark")
    .description(
      "With --install puts a plug-in where Wireshark looks for external capture programs; then podwire is among Wireshark's interfaces, " +
        "and asks for a scenario when it is opened. The other options are Wireshark's.",
    )
    .option("--install", "install the plug-in for this user")
    .option("--folder <DIR>", "install into this folder, in place of Wireshark's own")
    .option("--extcap-interfaces", "list the interfaces")
    .option("--extcap-version <V>", "the version of Wireshark that asks")
    .option("--extcap-interface <NAME>", "the interface that is meant")
    .option("--extcap-dlts", "list its link types")
    .option("--extcap-config", "list its arguments")
    .option("--extcap-capture-filter <EXPRESSION>", "a capture filter in the words of tcpdump")
    .option("--capture", "capture from it")
    .option("--fifo <FILE>", "where the capture goes")
    .option("--file <FILE>", "the scenario or the manifests")
    .option("--devices <GLOBS>", "the devices to capture")
    .option("--pace <PACE>", "realtime, a number of times as fast such as 10x, or max")
    .option("--duration <D>", "virtual time to run")
    .option("--nodes <N>", "number of nodes")
    .action(async (flags: ExtcapFlags) => {
      process.exitCode = await extcap(flags);
    });
}

/** The value of an argument, undefined if the user left it empty. Throws an InputError if it is wrong. */
function given<T>(field: string, text: string | undefined, parse: (text: string) => T): T | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return parse(text);
  } catch (error) {
    throw error instanceof InvalidArgumentError ? new InputError({ field }, `${text}: ${error.message}`) : error;
  }
}

async function extcap(flags: ExtcapFlags): Promise<number> {
  if (flags.install) return install(flags.folder ?? pluginFolder());
  if (flags.extcapInterfaces) return answer(interfacesAnswer(version));
  if (flags.extcapInterface !== undefined && flags.extcapInterface !== EXTCAP_INTERFACE)
    throw new InputError(
      { field: "--extcap-interface" },
      `there is no interface ${flags.extcapInterface}; there is ${EXTCAP_INTERFACE}`,
    );
  if (flags.extcapDlts) return answer(linkTypesAnswer());
  if (flags.extcapConfig) return answer(configAnswer());
  // Wireshark tries a capture filter before it captures.
  if (!flags.capture) {
    if (flags.extcapCaptureFilter !== undefined) return 0;
    throw new InputError(
      {},
      "say --install, or let Wireshark call this command; podwire extcap --help has the options",
    );
  }
  return capture(flags);
}

function answer(text: string): number {
  process.stdout.write(text);
  return 0;
}

async function capture({
  fifo,
  file,
  devices,
  pace,
  duration,
  nodes,
  extcapCaptureFilter,
}: ExtcapFlags): Promise<number> {
  if (fifo === undefined) throw new InputError({ field: "--fifo" }, "is missing; it says where the capture goes");
  if (file === undefined || file === "")
    throw new InputError({ field: "--file" }, "is missing; choose a scenario or manifests");
  const out = mkdtempSync(join(tmpdir(), "podwire-extcap-"));
  try {
    const status = await run([file], {
      out,
      write: fifo,
      quiet: true,
      pace: given("--pace", pace, paceOption),
      duration: given("--duration", duration, durationOption),
      nodes: given("--nodes", nodes, integer(1, 5000)),
      ...(devices ? { capture: devices.split(",") } : {}),
      ...(extcapCaptureFilter ? { filter: extcapCaptureFilter } : {}),
    });
    // That an expectation of the scenario failed, or that Wireshark stopped the capture, is no error of the capture.
    return status === 2 ? status : 0;
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** Where Wireshark looks, as it says itself. */
function pluginFolder(): string {
  const { stdout } = spawnSync("tshark", ["-G", "folders"], { encoding: "utf8" });
  const folder = (name: string): string | undefined =>
    new RegExp(`^${name}:\\s*(.+)$`, "m").exec(stdout ?? "")?.[1]?.trim();
  const configuration = folder("Personal configuration") ?? join(homedir(), ".config/wireshark");
  return folder("Personal Extcap path") ?? join(configuration, "extcap");
}

/** Writes the plug-in: a script that calls this program. */
function install(folder: string): number {
  const path = resolve(folder, "podwire");
  const cli = fileURLToPath(new URL("../cli.js", import.meta.url));
  try {
    mkdirSync(resolve(folder), { recursive: true });
    writeFileSync(path, `#!/bin/sh\nexec "${process.execPath}" "${cli}" extcap "$@"\n`);
    chmodSync(path, 0o755);
  } catch (error) {
    throw new InputError(
      { field: "--folder" },
      `the plug-in cannot be written to ${path}: ${(error as Error).message}`,
    );
  }
  process.stdout.write(`installed ${path}; restart Wireshark, or list its interfaces with tshark -D\n`);
  return 0;
}
