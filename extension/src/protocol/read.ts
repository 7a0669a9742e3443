// Bounded readers for values from outside (the agent, a page, storage). Every reader either returns
// a value of the promised shape or throws Malformed; nothing is trusted before it went through here.

export class Malformed extends Error {
  constructor(readonly field: string) {
    super(`malformed: ${field}`);
    this.name = 'Malformed';
  }
}

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function readFields(value: unknown, field: string): Fields {
  if (!isFields(value)) throw new Malformed(field);
  return value;
}

// Length is in UTF-16 units, `max` included.
export function readText(value: unknown, field: string, max: number, min = 0): string {
  if (typeof value !== 'string' || value.length > max || value.length < min) {
    throw new Malformed(field);
  }
  return value;
}

export function readTextOrNull(value: unknown, field: string, max: number): string | null {
  return value === null || value === undefined ? null : readText(value, field, max);
}

export function readMatch(value: unknown, field: string, shape: RegExp, max: number): string {
  const text = readText(value, field, max, 1);
  if (!shape.test(text)) throw new Malformed(field);
  return text;
}

export function readBool(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw new Malformed(field);
  return value;
}

export function readInt(value: unknown, field: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new Malformed(field);
  }
  return value;
}

export function readTime(value: unknown, field: string): number {
  return readInt(value, field, 0, 0xffff_ffff_ffff);
}

export function readOneOf<T extends string>(
  value: unknown,
  field: string,
  allowed: readonly T[],
): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new Malformed(field);
  return found;
}

export function readList<T>(
  value: unknown,
  field: string,
  max: number,
  readOne: (item: unknown) => T,
): T[] {
  if (!Array.isArray(value) || value.length > max) throw new Malformed(field);
  return value.map(readOne);
}
