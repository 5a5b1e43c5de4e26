// `hostname`, `cat` of the files that are the network's, and `sysctl`.
import * as R from "../../../assembly/layout/records.ts";
import { conntrackLines } from "../../lab/state.ts";
import { findSysctl, sysctlNames, sysctlWords } from "../../seam/sysctls.ts";
import { readOptions } from "../options.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";
import { globalAddresses } from "./ip-links.ts";

function hostOf({ namespace }: Context): string {
  return namespace.name.split("/").at(-1) ?? "";
}

function addresses({ emulation, namespace }: Context): string[] {
  const others = namespace.devices.filter(({ kind }) => kind !== "loopback");
  return others.flatMap(({ handle }) => globalAddresses(emulation.kernel, namespace.handle, handle));
}

export const hostname: Tool = {
  usage: "hostname [-i|-I]",
  run(context, words) {
    const given = readOptions("hostname", words, { i: "flag", I: "flag" });
    if (given.words.length > 0) throw new ToolError("hostname: names are not changed here");
    const own = addresses(context);
    if (given.has("I")) context.out(`${own.map((address) => `${address} `).join("")}\n`);
    else context.out(`${given.has("i") ? (own[0] ?? "127.0.0.1") : hostOf(context)}\n`);
    return 0;
  },
};

const FILES: Readonly<Record<string, (context: Context) => string>> = {
  "/etc/hostname": (context) => `${hostOf(context)}\n`,
  "/etc/hosts": (context) =>
    `127.0.0.1\tlocalhost\n${addresses(context)
      .slice(0, 1)
      .map((address) => `${address}\t${hostOf(context)}\n`)
      .join("")}`,
  "/etc/resolv.conf": resolvConf,
  "/proc/net/nf_conntrack": ({ emulation, namespace }) =>
    conntrackLines(emulation.kernel, namespace.handle, emulation.nowNs)
      .map((line) => `${line}\n`)
      .join(""),
};

/** As the kubelet writes it: search list, servers, options. */
function resolvConf({ namespace }: Context): string {
  const { nameservers, searches, ndots, options } = namespace.resolver;
  const words = [
    ...(ndots === 1 ? [] : [`ndots:${ndots}`]),
    ...(options.timeoutNs === undefined ? [] : [`timeout:${options.timeoutNs / 1e9}`]),
    ...(options.attempts === undefined ? [] : [`attempts:${options.attempts}`]),
    ...(options.useVc ? ["use-vc"] : []),
    ...(options.singleRequest ? ["single-request"] : []),
    ...(options.singleRequestReopen ? ["single-request-reopen"] : []),
    ...(options.edns0 ? ["edns0"] : []),
  ];
  return [
    ...(searches.length > 0 ? [`search ${searches.join(" ")}`] : []),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(words.length > 0 ? [`options ${words.join(" ")}`] : []),
    "",
  ].join("\n");
}

export const cat: Tool = {
  usage: `cat ${Object.keys(FILES).join(" | ")}`,
  run(context, words) {
    let status = 0;
    for (const word of words) {
      const key = sysctlOf(word);
      const file = FILES[word];
      if (file) context.out(file(context));
      else if (key !== undefined && readSysctl(context, key) !== undefined)
        context.out(`${readSysctl(context, key) ?? ""}\n`);
      else {
        context.err(`cat: ${word}: No such file or directory\n`);
        status = 1;
      }
    }
    return status;
  },
};

/** `/proc/sys/net/ipv4/ip_forward` as sysctl names it. */
function sysctlOf(path: string): string | undefined {
  return path.startsWith("/proc/sys/") ? path.slice("/proc/sys/".length).replaceAll("/", ".") : undefined;
}

function readSysctl({ emulation: { kernel }, namespace }: Context, key: string): number | string | undefined {
  const found = findSysctl(key);
  if (!found) return undefined;
  if ("index" in found) {
    const number = kernel.word(namespace.handle + R.NS_SYSCTLS + found.index * 4);
    return sysctlWords(key)?.[number] ?? number;
  }
  const device = namespace.devices.find(({ name }) => name === found.device);
  return device && kernel.word(device.handle + found.field) / found.scale;
}

export const sysctl: Tool = {
  usage: "sysctl [-n] KEY ... | -a",
  run(context, words) {
    const given = readOptions("sysctl", words, { n: "flag", a: "flag" }, { all: "a", values: "n" });
    const keys = given.has("a") ? sysctlNames(context.namespace.devices.map(({ name }) => name)) : given.words;
    let status = 0;
    for (const word of keys) {
      const key = word.replaceAll("/", ".");
      if (key.includes("="))
        throw new ToolError(`sysctl: ${word} would change something; a scenario says what sysctls are`);
      const value = readSysctl(context, key);
      if (value !== undefined) context.out(given.has("n") ? `${value}\n` : `${key} = ${value}\n`);
      else {
        context.err(`sysctl: cannot stat /proc/sys/${key.replaceAll(".", "/")}: No such file or directory\n`);
        status = 1;
      }
    }
    return status;
  },
};
