// `curl`: one HTTP request over an emulated TCP connection, with curl's words and exit statuses.
import { bracketed } from "../../address6.ts";
import { writeFileSync } from "node:fs";
import { familyOf, resolve, textOf } from "../names.ts";
import { numberOption, readOptions, type Given } from "../options.ts";
import { TcpStream, type Ending } from "../stream.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";
import { bodyOf, HttpReader } from "./http.ts";

const VERSION = "7.88.1";
const CONNECT_TIMEOUT_S = 300;
const NULL = "/dev/null";

const SPEC = {
  v: "flag",
  s: "flag",
  S: "flag",
  i: "flag",
  I: "flag",
  k: "flag",
  "4": "flag",
  "6": "flag",
  f: "flag",
  o: "value",
  H: "value",
  X: "value",
  d: "value",
  m: "value",
  w: "value",
  A: "value",
  "connect-timeout": "value",
} as const;
const ALIAS = {
  verbose: "v",
  silent: "s",
  "show-error": "S",
  include: "i",
  head: "I",
  insecure: "k",
  ipv4: "4",
  ipv6: "6",
  fail: "f",
  output: "o",
  header: "H",
  request: "X",
  data: "d",
  "max-time": "m",
  "write-out": "w",
  "user-agent": "A",
};

interface Url {
  host: string;
  port: number;
  path: string;
  /** For the Host header: without the port if that is the usual one. */
  authority: string;
}

/** A transfer that failed: curl's number and sentence. */
class CurlError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** What -w can tell. */
interface Facts {
  http_code: string;
  remote_ip: string;
  remote_port: string;
  local_ip: string;
  local_port: string;
  size_download: string;
  time_namelookup: number;
  time_connect: number;
  time_starttransfer: number;
  time_total: number;
}

export const curl: Tool = {
  usage:
    "curl [-4] [-6] [-v] [-s] [-S] [-i] [-I] [-f] [-o FILE] [-H LINE] [-X METHOD] [-d DATA] [-w FORMAT] [-A AGENT] [--max-time S] [--connect-timeout S] URL",
  async run(context, words) {
    const given = readOptions("curl", words, SPEC, ALIAS);
    const [target, ...more] = given.words;
    if (target === undefined) throw new ToolError("curl: try 'help' for what curl takes here");
    if (more.length > 0) throw new ToolError(`curl: one URL at a time; ${more[0] ?? ""} is one too many`);
    const transfer = new Transfer(context, given);
    let status = 0;
    try {
      await transfer.run(parseUrl(target));
    } catch (error) {
      if (!(error instanceof CurlError)) throw error;
      status = error.code;
      if (!given.has("s") || given.has("S")) context.err(`curl: (${error.code}) ${error.message}\n`);
    } finally {
      transfer.end();
    }
    const format = given.value("w");
    if (format !== undefined) context.out(writeOut(format, transfer.facts));
    return status;
  },
};

function parseUrl(text: string): Url {
  const [, scheme = "http", host = "", portText, path = ""] =
    /^(?:([a-z][a-z0-9+.-]*):\/\/)?(\[[0-9a-f:.]+\]|[^/:?#@[\]]+)(?::(\d+))?([/?][^#]*)?(?:#.*)?$/i.exec(text) ?? [];
  if (host === "") throw new CurlError(3, `URL using bad/illegal format or missing URL`);
  if (scheme.toLowerCase() !== "http")
    throw new CurlError(1, `Protocol "${scheme}" not supported or disabled in libcurl`);
  const port = portText === undefined ? 80 : Number(portText);
  if (port > 65535) throw new CurlError(3, "Port number was not a decimal number between 0 and 65535");
  const authority = port === 80 ? host : `${host}:${port}`;
  return { host, port, path: path.startsWith("/") ? path : `/${path}`, authority };
}

/** A host without the brackets that stand around an IPv6 address in a URL. */
function bare(host: string): string {
  return host.replace(/^\[|\]$/g, "");
}

class Transfer {
  readonly facts: Facts = {
    http_code: "000",
    remote_ip: "",
    remote_port: "0",
    local_ip: "",
    local_port: "0",
    size_download: "0",
    time_namelookup: 0,
    time_connect: 0,
    time_starttransfer: 0,
    time_total: 0,
  };
  readonly #context: Context;
  readonly #given: Given;
  readonly #startNs: number;
  readonly #deadlineNs: number;
  #stream: TcpStream | undefined;

  constructor(context: Context, given: Given) {
    this.#context = context;
    this.#given = given;
    this.#startNs = context.emulation.nowNs;
    const seconds = numberOption("curl", given, "m", 0.001);
    this.#deadlineNs = seconds === undefined ? Infinity : this.#startNs + seconds * 1e9;
  }

  async run(url: Url): Promise<void> {
    const stream = await this.#connect(url);
    this.#note(`Connected to ${bare(url.host)} (${this.facts.remote_ip}) port ${url.port} (#0)`);
    const request = this.#request(url);
    stream.write(Buffer.from(request));
    if (this.#given.has("v"))
      this.#context.err(
        request
          .split("\r\n")
          .slice(0, this.#headLines(request))
          .map((line) => `> ${line}\n`)
          .join(""),
      );
    await this.#receive(stream, url);
  }

  /** Closes what is open, and stops the clock. */
  end(): void {
    this.#stream?.close();
    this.facts.time_total = this.#elapsed();
  }

  #note(text: string): void {
    if (this.#given.has("v")) this.#context.err(`* ${text}\n`);
  }

  #elapsed(): number {
    return (this.#context.emulation.nowNs - this.#startNs) / 1e9;
  }

  #milliseconds(): number {
    return Math.floor(this.#elapsed() * 1000);
  }

  async #connect(url: Url): Promise<TcpStream> {
    const { emulation, namespace, signal } = this.#context;
    const address = await resolve(
      emulation,
      namespace,
      bare(url.host),
      signal,
      this.#deadlineNs,
      familyOf(this.#given),
    );
    if (typeof address !== "number") {
      const late = address === "too late" && emulation.nowNs >= this.#deadlineNs;
      const code = late ? 28 : 6;
      const sentence = late
        ? `Resolving timed out after ${this.#milliseconds()} milliseconds`
        : `Could not resolve host: ${bare(url.host)}`;
      throw this.#fail(code, sentence);
    }
    this.facts.time_namelookup = this.#elapsed();
    const shown = textOf(this.#context, address);
    if (this.#given.has("v")) this.#context.err(`*   Trying ${bracketed(shown)}:${url.port}...\n`);
    const began = emulation.nowNs;
    const patience = numberOption("curl", this.#given, "connect-timeout", 0.001) ?? CONNECT_TIMEOUT_S;
    const limit = Math.min(this.#deadlineNs, this.#startNs + patience * 1e9);
    const stream = TcpStream.open(this.#context, address, url.port);
    this.#stream = stream;
    const ending = stream === undefined ? "Network is unreachable" : await stream.connected(limit);
    if (stream && ending === undefined) {
      const ends = stream.ends();
      Object.assign(this.facts, {
        remote_ip: shown,
        remote_port: `${url.port}`,
        local_ip: textOf(this.#context, ends.local),
        local_port: `${ends.localPort}`,
        time_connect: this.#elapsed(),
      });
      return stream;
    }
    if (ending === "too late") throw this.#fail(28, `Connection timed out after ${this.#milliseconds()} milliseconds`);
    const took = Math.floor((emulation.nowNs - began) / 1e6);
    this.#note(
      stream === undefined
        ? `Immediate connect fail for ${shown}: ${ending}`
        : `connect to ${shown} port ${url.port} failed: ${ending}`,
    );
    const sentence = `Failed to connect to ${bare(url.host)} port ${url.port} after ${took} ms: Couldn't connect to server`;
    throw this.#fail(ending === "Connection timed out" ? 28 : 7, sentence);
  }

  #fail(code: number, sentence: string): CurlError {
    this.#note(sentence);
    this.#note("Closing connection 0");
    return new CurlError(code, sentence);
  }

  #request({ authority, path }: Url): string {
    const data = this.#given.values("d").join("&");
    const hasData = this.#given.has("d");
    const method = this.#given.value("X") ?? (this.#given.has("I") ? "HEAD" : hasData ? "POST" : "GET");
    const headers = new Map([
      ["host", `Host: ${authority}`],
      ["user-agent", `User-Agent: ${this.#given.value("A") ?? `curl/${VERSION}`}`],
      ["accept", "Accept: */*"],
    ]);
    if (hasData) {
      headers.set("content-length", `Content-Length: ${Buffer.byteLength(data)}`);
      headers.set("content-type", "Content-Type: application/x-www-form-urlencoded");
    }
    // A header of one's own takes the place of curl's; without a value it takes it away.
    for (const line of this.#given.values("H")) {
      const [name = "", ...value] = line.split(":");
      if (value.join(":").trim() === "") headers.delete(name.trim().toLowerCase());
      else headers.set(name.trim().toLowerCase(), line);
    }
    return `${method} ${path} HTTP/1.1\r\n${[...headers.values()].join("\r\n")}\r\n\r\n${data}`;
  }

  /** The lines of the head of a request, its empty one included. */
  #headLines(request: string): number {
    return (request.split("\r\n\r\n")[0] ?? "").split("\r\n").length + 1;
  }

  async #receive(stream: TcpStream, url: Url): Promise<void> {
    const reader = new HttpReader(this.#given.has("I"));
    let ending: Ending | undefined;
    while (!reader.complete) {
      const part = await stream.read(this.#deadlineNs);
      if (typeof part === "string") {
        ending = part;
        break;
      }
      if (reader.received === 0) this.facts.time_starttransfer = this.#elapsed();
      reader.take(part);
    }
    this.#show(reader);
    if (reader.complete || (ending === "closed" && reader.endsWithStream)) {
      this.#note(reader.keepsOpen ? `Connection #0 to host ${url.host} left intact` : "Closing connection 0");
      if (this.#given.has("f") && reader.status >= 400)
        throw new CurlError(22, `The requested URL returned error: ${reader.status}`);
      return;
    }
    throw this.#incomplete(reader, ending);
  }

  #incomplete(reader: HttpReader, ending: Ending | undefined): CurlError {
    if (reader.received > 0 && !reader.looksLikeHttp) return this.#fail(1, "Received HTTP/0.9 when not allowed");
    if (ending === "too late")
      return this.#fail(
        28,
        `Operation timed out after ${this.#milliseconds()} milliseconds with ${reader.bodyBytes} bytes received`,
      );
    if (ending === "Connection reset by peer") return this.#fail(56, "Recv failure: Connection reset by peer");
    if (reader.received === 0) return this.#fail(52, "Empty reply from server");
    return this.#fail(18, `transfer closed with ${reader.missing} bytes remaining to read`);
  }

  /** Hands what came to where it is wanted. */
  #show(reader: HttpReader): void {
    if (reader.head === "") return;
    this.facts.http_code = `${reader.status}`.padStart(3, "0");
    this.facts.size_download = `${reader.bodyBytes}`;
    const lines = reader.head.split("\r\n");
    if (this.#given.has("v")) this.#context.err(lines.map((line) => `< ${line}\n`).join("") + "< \n");
    const head = this.#given.has("i") || this.#given.has("I") ? `${reader.head}\r\n\r\n` : "";
    if (this.#given.has("f") && reader.status >= 400) return;
    const file = this.#given.value("o");
    if (file === undefined || file === "-") this.#context.out(head + bodyOf(reader));
    else if (file !== NULL) writeFileSync(file, head + bodyOf(reader));
  }
}

/** The format of -w with its variables and escapes. */
function writeOut(format: string, facts: Facts): string {
  return format
    .replace(/\\([nrt])/g, (_, letter: string) => ({ n: "\n", r: "\r", t: "\t" })[letter] ?? letter)
    .replace(/%\{(\w+)\}/g, (_, name: string) => {
      const known = name === "response_code" ? "http_code" : name;
      if (!Object.hasOwn(facts, known)) throw new ToolError(`curl: unknown --write-out variable: '${name}'`);
      const value = facts[known as keyof Facts];
      return typeof value === "number" ? value.toFixed(6) : value;
    });
}
