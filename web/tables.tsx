// The tables: what died where and why, who answered, what was expected, and how hot each rule was.
import { useState } from "preact/hooks";
import { formatBytes, formatCount, plural } from "../src/report/format.ts";
import type { Picture, PictureLine } from "../src/report/picture.ts";
import { Head, Heat, Search } from "./parts.tsx";

const SHOWN = 12;

export function Drops({ picture }: { picture: Picture }) {
  const { drops, otherDrops } = picture;
  const byReason = new Map<string, { count: number; places: string[] }>();
  for (const { reason, namespace, count } of drops) {
    const known = byReason.get(reason) ?? { count: 0, places: [] };
    byReason.set(reason, {
      count: known.count + count,
      places: [...known.places, `${namespace} ${formatCount(count)}`],
    });
  }
  const rows = [...byReason].sort(([, a], [, b]) => b.count - a.count);
  const most = Math.max(1, ...rows.map(([, { count }]) => count));
  return (
    <section aria-labelledby="drops">
      <h2 id="drops">Frames dropped, by reason</h2>
      {rows.length === 0 ? (
        <p class="empty">None.</p>
      ) : (
        <div class="scroll short">
          <table>
            <Head columns={[["reason"], ["frames", true], ["where"]]} />
            <tbody>
              {rows.map(([reason, { count, places }]) => (
                <tr key={reason}>
                  <th scope="row">
                    <code>{reason}</code>
                  </th>
                  <Heat count={count} part={count / most} />
                  <td title={places.join("\n")}>
                    {places.slice(0, 3).join(", ")}
                    {places.length > 3 ? ` and ${places.length - 3} more` : ""}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {otherDrops > 0 && <p class="note">and in {plural(otherDrops, "more place")}</p>}
    </section>
  );
}

export function Backends({ line }: { line: PictureLine | undefined }) {
  const { backends = [], backendCount = 0 } = line ?? {};
  const most = Math.max(1, ...backends.map(([, count]) => count));
  return (
    <section aria-labelledby="backends">
      <h2 id="backends">Who answered{line ? ` ${line.name}` : ""}</h2>
      {backends.length === 0 ? (
        <p class="empty">
          Nobody.{line?.denied ? ` ${line.denied.namespace} denied it: ` : ""}
          {line?.denied && <code>{line.denied.rule}</code>}
        </p>
      ) : (
        <div class="scroll short">
          <table>
            <Head columns={[["namespace"], ["answers", true]]} />
            <tbody>
              {backends.map(([name, count]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <Heat count={count} part={count / most} />
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {backendCount > backends.length && <p class="note">and {backendCount - backends.length} more</p>}
    </section>
  );
}

export function Processors({ picture: { processors, otherProcessors = 0 } }: { picture: Picture }) {
  if (!processors) return null;
  return (
    <section aria-labelledby="processors">
      <h2 id="processors">Processors</h2>
      <div class="scroll short">
        <table>
          <Head
            columns={[["node"], ["busy, %", true], ["each core, %"], ["longest backlog", true], ["no room for", true]]}
          />
          <tbody>
            {processors.map(({ node, utilisation, cores, dropped, longestBacklog }) => (
              <tr key={node}>
                <th scope="row">{node}</th>
                <Heat count={Math.round(100 * utilisation)} part={utilisation} />
                <td>{cores.map((share) => Math.round(100 * share)).join(" ")}</td>
                <td class="number">{formatCount(longestBacklog)}</td>
                <td class="number">{formatCount(dropped)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {otherProcessors > 0 && <p class="note">and {plural(otherProcessors, "node")} less busy</p>}
    </section>
  );
}

export function Expectations({ picture: { expectations } }: { picture: Picture }) {
  if (expectations.length === 0) return null;
  const failed = expectations.filter(({ holds }) => !holds);
  return (
    <section aria-labelledby="expectations">
      <h2 id="expectations">
        {expectations.length - failed.length} of {plural(expectations.length, "expectation")} hold
      </h2>
      {failed.length > 0 && (
        <ul class="failed">
          {failed.map(({ text }) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function Events({ picture: { events } }: { picture: Picture }) {
  if (events.length === 0) return null;
  return (
    <section aria-labelledby="events">
      <h2 id="events">What happened</h2>
      <ul>
        {events.map(([what = "", ...lost]) => (
          <li key={what}>
            {what}
            {lost.length > 0 && (
              <ul class="failed">
                {lost.map((text) => (
                  <li key={text}>{text}</li>
                ))}
              </ul>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Rules({ picture }: { picture: Picture }) {
  const { rules, idleRules, otherRules } = picture;
  const [wanted, setWanted] = useState("");
  const [all, setAll] = useState(false);
  const most = Math.log(1 + Math.max(1, ...rules.map(({ packets }) => packets)));
  const found = rules.filter(({ table, chain, text }) => `${table} ${chain} ${text}`.includes(wanted));
  const shown = all ? found : found.slice(0, SHOWN);
  return (
    <section aria-labelledby="rules">
      <h2 id="rules">Rules by heat</h2>
      <p class="note">
        All nodes together. {formatCount(rules.length + otherRules)} were hit, {formatCount(idleRules)} never.
      </p>
      <Search
        hint="find a rule: a chain, an address, a comment"
        name="find a rule"
        value={wanted}
        onChange={setWanted}
      />
      <div class="scroll wide">
        <table class="rules">
          <Head columns={[["packets", true], ["bytes", true], ["hosts", true], ["rule"]]} />
          <tbody>
            {shown.map(({ table, chain, text, packets, bytes, namespaces }) => (
              <tr key={`${table} ${chain} ${text}`}>
                <Heat count={packets} part={Math.log(1 + packets) / most} />
                <td class="number">{formatBytes(bytes)}</td>
                <td class="number">{namespaces}</td>
                <td>
                  <code>
                    {table} <b>{chain}</b> {text}
                  </code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {found.length > SHOWN && (
        <button type="button" onClick={() => setAll(!all)}>
          {all ? "show the hottest" : `show all ${found.length}`}
        </button>
      )}
    </section>
  );
}
