// A strict reader of small XML documents: every tag is closed in its turn, every attribute quoted, every & a reference.

export interface Element {
  name: string;
  attributes: Record<string, string>;
  /** What stands in it directly, without its children. */
  text: string;
}

/** All elements in the order in which they end. Throws for what is not well-formed. */
export function elements(document: string): Element[] {
  const done: Element[] = [];
  const open: Element[] = [];
  const parts = /<\?[^>]*\?>|<(\/?)([a-zA-Z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;
  let end = 0;
  for (const match of document.matchAll(parts)) {
    if (match.index !== end) break;
    end += match[0].length;
    const [, closing, name, attributes = "", single, text] = match;
    if (text !== undefined) {
      if (/&(?!(amp|lt|gt|quot|apos|#\d+);)/.test(text)) throw new Error(`a bare & in "${text.trim()}"`);
      const inner = open.at(-1);
      if (inner) inner.text += unescape(text);
      else if (text.trim() !== "") throw new Error(`"${text.trim()}" stands outside the document`);
    } else if (closing) {
      const last = open.pop();
      if (last?.name !== name) throw new Error(`</${name}> ends <${last?.name}>`);
      done.push(last as Element);
    } else if (name !== undefined) {
      const pairs = [...attributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]);
      const element = { name, attributes: Object.fromEntries(pairs) as Record<string, string>, text: "" };
      (single ? done : open).push(element);
    }
  }
  if (end !== document.length) throw new Error(`not XML from "${document.slice(end, end + 40)}" on`);
  if (open.length > 0) throw new Error(`<${open.at(-1)?.name}> is not closed`);
  return done;
}

function unescape(text: string): string {
  const characters: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => characters[name] ?? "");
}
