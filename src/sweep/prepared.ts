// Points that are prepared before the first of them runs, so that a wrong one is told at once, and kept until their turn comes.

/** What is kept at most, in characters of rules: those beyond are prepared again when they run. */
export const KEPT_MAX = 100_000_000;

export class PreparedPoints<Point, Prepared> {
  readonly #prepare: (point: Point) => Prepared;
  readonly #kept = new Map<Point, Prepared>();

  /** Prepares all points, in order. `sizeOf` says what one takes, of `most`. Throws what `prepare` throws. */
  constructor(
    points: readonly Point[],
    prepare: (point: Point) => Prepared,
    sizeOf: (prepared: Prepared) => number,
    most = KEPT_MAX,
  ) {
    this.#prepare = prepare;
    let left = most;
    for (const point of points) {
      const prepared = prepare(point);
      left -= sizeOf(prepared);
      if (left >= 0) this.#kept.set(point, prepared);
    }
  }

  /** A point that runs now; it is not kept any longer. */
  take(point: Point): Prepared {
    const prepared = this.#kept.get(point) ?? this.#prepare(point);
    this.#kept.delete(point);
    return prepared;
  }
}
