// An HTTP/1.x response as its bytes come in: head, body by Content-Length, chunks or the end of the stream.

export class HttpReader {
  /** Status line and header lines, without the empty line. */
  head = "";
  status = 0;
  received = 0;
  complete = false;
  /** Whether the connection stays open behind the response. */
  keepsOpen = true;
  /** Whether only the end of the stream ends the body. */
  endsWithStream = false;
  readonly #headOnly: boolean;
  #pending = Buffer.alloc(0);
  #body: Buffer[] = [];
  #length: number | undefined;
  #chunked = false;

  /** `headOnly`: the answer to a HEAD has no body. */
  constructor(headOnly: boolean) {
    this.#headOnly = headOnly;
  }

  get bodyBytes(): number {
    return this.body.length;
  }

  get body(): Buffer {
    return Buffer.concat(this.#body);
  }

  /** Bytes of the body that Content-Length promised and that did not come. */
  get missing(): number {
    return Math.max(0, (this.#length ?? 0) - this.bodyBytes);
  }

  get looksLikeHttp(): boolean {
    return this.head !== "" || "HTTP/".startsWith(this.#pending.subarray(0, 5).toString("latin1"));
  }

  take(bytes: Uint8Array): void {
    this.received += bytes.length;
    this.#pending = Buffer.concat([this.#pending, bytes]);
    if (this.head === "") this.#takeHead();
    if (this.head !== "" && !this.complete) this.#takeBody();
  }

  #takeHead(): void {
    const end = this.#pending.indexOf("\r\n\r\n");
    if (end < 0 || !this.looksLikeHttp) return;
    this.head = this.#pending.subarray(0, end).toString("latin1");
    this.#pending = this.#pending.subarray(end + 4);
    const [first = "", ...lines] = this.head.split("\r\n");
    this.status = Number(/^HTTP\/\S+ (\d{3})/.exec(first)?.[1] ?? 0);
    const field = (name: string): string | undefined =>
      lines
        .find((line) => line.toLowerCase().startsWith(`${name}:`))
        ?.slice(name.length + 1)
        .trim();
    const length = field("content-length");
    this.#chunked = field("transfer-encoding")?.toLowerCase() === "chunked";
    this.#length = length === undefined ? undefined : Number(length);
    const closes = field("connection")?.toLowerCase() === "close" || first.startsWith("HTTP/1.0");
    const none = this.#headOnly || this.status === 204 || this.status === 304;
    this.endsWithStream = !none && this.#length === undefined && !this.#chunked;
    this.keepsOpen = !closes && !this.endsWithStream;
    if (none || this.#length === 0) this.complete = true;
  }

  #takeBody(): void {
    if (this.#chunked) {
      this.#takeChunks();
      return;
    }
    const room = this.#length === undefined ? this.#pending.length : this.#length - this.bodyBytes;
    this.#body.push(this.#pending.subarray(0, room));
    this.#pending = this.#pending.subarray(room);
    if (this.#length !== undefined && this.bodyBytes >= this.#length) this.complete = true;
  }

  #takeChunks(): void {
    for (;;) {
      const line = this.#pending.indexOf("\r\n");
      if (line < 0) return;
      const size = Number.parseInt(this.#pending.subarray(0, line).toString("latin1"), 16);
      if (this.#pending.length < line + 2 + size + 2) return;
      this.#body.push(this.#pending.subarray(line + 2, line + 2 + size));
      this.#pending = this.#pending.subarray(line + 2 + size + 2);
      if (size === 0) {
        this.complete = true;
        return;
      }
    }
  }
}

export function bodyOf(reader: HttpReader): string {
  return reader.body.toString("utf8");
}
