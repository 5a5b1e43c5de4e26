// Routes that many namespaces have, as the list that their tables look into.
import {
  COMMON_COUNT,
  COMMON_ENTRY,
  COMMON_FIRST,
  COMMON_LENGTH,
  COMMON_NETWORK,
  COMMON_VIA,
} from "../../assembly/layout/records.ts";
import { parseCidr, parseIpv4 } from "../address.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { CommonRoutes, Machine } from "../seam/machine.ts";
import type { PlacedMachine } from "./job.ts";

const WORD = 4;

/** A list in the kernel's words, and the place that each of its routes has there. Throws an Error for a route that cannot be read. */
function commonRoutesBlock(routes: CommonRoutes["routes"]): { words: Uint32Array; places: Uint32Array } {
  const read = routes.map(({ destination, via }, i) => {
    const [cidr, gateway] = [parseCidr(destination), parseIpv4(via)];
    if (!cidr || gateway === undefined) throw new Error(`${destination} via ${via} is not a route`);
    return { ...cidr, via: gateway, i };
  });
  read.sort((a, b) => a.network - b.network || a.prefix - b.prefix);
  const words = new Uint32Array((COMMON_FIRST + read.length * COMMON_ENTRY) / WORD);
  const places = new Uint32Array(read.length);
  words[COMMON_COUNT / WORD] = read.length;
  read.forEach(({ network, prefix, via, i }, place) => {
    const at = COMMON_FIRST + place * COMMON_ENTRY;
    words[(at + COMMON_NETWORK) / WORD] = network;
    words[(at + COMMON_LENGTH) / WORD] = prefix;
    words[(at + COMMON_VIA) / WORD] = via;
    places[i] = place;
  });
  return { words, places };
}

/** The lists that lie in a kernel's memory, each once. */
export class RouteLists {
  readonly #kernel: Kernel;
  readonly #placed = new Map<CommonRoutes["routes"], { list: Handle; places: Uint32Array }>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Where the list of a machine's common routes lies; undefined without any. */
  of({ commonRoutes }: Machine): PlacedMachine["commonRoutes"] {
    if (!commonRoutes) return undefined;
    const { routes, except } = commonRoutes;
    let known = this.#placed.get(routes);
    if (!known) {
      const { words, places } = commonRoutesBlock(routes);
      known = { list: this.#kernel.placeWords(words), places };
      this.#placed.set(routes, known);
    }
    return { list: known.list, except: known.places[except] ?? routes.length };
  }
}
