import { type Bucket, type Label, labelOf, parseBucket } from "./bucket.ts";
import { msOf, numberOf, type Raw, raw, rawList, textOf } from "./raw.ts";
import { isResolution, type ResolutionId } from "./resolution.ts";
import { parseSubject, type SeriesKey, seriesKey, type Subject } from "./subject.ts";
import { type E4, type Ms, ms, parseIso, polarityToE4 } from "./units.ts";

/** What one message of the stream (or of its polling twin) means, parsed once. */
export type StreamEvent =
  | { readonly kind: "hello"; readonly epoch: string; readonly resumed: boolean }
  | { readonly kind: "buckets"; readonly updates: readonly BucketUpdate[] }
  | { readonly kind: "item"; readonly item: NewItem }
  | { readonly kind: "heartbeat"; readonly heartbeat: Heartbeat }
  | { readonly kind: "bye"; readonly reconnectIn: Ms }
  | { readonly kind: "other"; readonly name: string };

export interface BucketUpdate {
  readonly key: SeriesKey;
  readonly bucket: Bucket;
  /** When the newest article in the bucket was accepted: latency is measured, not assumed. */
  readonly origin: Ms | null;
}

export interface NewItem {
  readonly eventId: string;
  readonly subject: Subject;
  readonly title: string;
  readonly label: Label | null;
  readonly polarity: E4 | null;
  readonly at: Ms | null;
}

export interface Heartbeat {
  readonly serverTime: Ms | null;
  readonly newestIngestAt: Ms | null;
  readonly lag: Ms | null;
  readonly connections: number | null;
  /** False when the server says that its own store is away, so that nothing new can come. */
  readonly storeUp: boolean;
}

type Json = Raw<Record<string, unknown>>;

function keyOf(data: Json): SeriesKey | null {
  const subject = parseSubject(textOf(data["ticker"]));
  const resolution = data["resolution"];
  return subject !== null && isResolution(resolution) ? seriesKey(subject, resolution as ResolutionId) : null;
}

function update(key: SeriesKey | null, wire: unknown, origin: Ms | null): BucketUpdate[] {
  const bucket = parseBucket(wire);
  return key === null || bucket === null ? [] : [{ key, bucket, origin }];
}

function parseSnapshot(data: Json): StreamEvent {
  const updates = rawList<Record<string, unknown>>(data["series"]).flatMap((row) => [
    ...update(keyOf(row), row["final"], null),
    ...update(keyOf(row), row["partial"], null),
  ]);
  return { kind: "buckets", updates };
}

function parseItem(data: Json): StreamEvent {
  const subject = parseSubject(textOf(data["ticker"]));
  if (subject === null) return { kind: "other", name: "new_item" };
  const polarity = numberOf(data["polarity"]);
  return {
    kind: "item",
    item: {
      eventId: textOf(data["event_id"]),
      subject,
      title: textOf(data["title"]),
      label: labelOf(data["label"]),
      polarity: polarity === null ? null : polarityToE4(polarity),
      at: parseIso(data["event_time"]),
    },
  };
}

function parseHeartbeat(data: Json): StreamEvent {
  return {
    kind: "heartbeat",
    heartbeat: {
      serverTime: parseIso(data["server_time"]),
      newestIngestAt: parseIso(data["newest_ingest_at"]),
      lag: msOf(data["lag_ms"]),
      connections: numberOf(data["connections"]),
      storeUp: data["store"] !== "down",
    },
  };
}

/** Parses one message; an unknown name is kept as `other`, so a newer server does not break an older page. */
export function parseStreamEvent(name: string, payload: unknown): StreamEvent {
  const data: Json = raw(payload);
  switch (name) {
    case "hello":
      return { kind: "hello", epoch: String(data["epoch"] ?? ""), resumed: data["resumed"] === true };
    case "snapshot":
      return parseSnapshot(data);
    case "bucket_update":
    case "partial_bucket":
      return { kind: "buckets", updates: update(keyOf(data), data["bucket"], parseIso(data["origin_timestamp"])) };
    case "new_item":
      return parseItem(data);
    case "heartbeat":
      return parseHeartbeat(data);
    case "bye":
      return { kind: "bye", reconnectIn: ms(numberOf(data["reconnect_in_ms"]) ?? 1_000) };
    default:
      return { kind: "other", name };
  }
}

/** Reads the JSON of a message; null when it is not JSON, which the caller counts as a damaged stream. */
export function parseMessage(name: string, text: string): StreamEvent | null {
  try {
    return parseStreamEvent(name, JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
