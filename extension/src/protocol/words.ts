// Names and sentences from outside, made fit for people's eyes.
import { readTextOrNull } from './read';

const kMaxName = 256;

// Control, bidirectional and zero-width characters could make one name look like another; the
// agent removes them too, and this is the last place before a person reads it.
export function cleanName(text: string, longest = 63): string {
  const cleaned = text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu, '')
    .replace(/\s+/g, ' ')
    .trim();
  return Array.from(cleaned).slice(0, longest).join('');
}

export function readCleanOrNull(value: unknown, field: string, max = kMaxName): string | null {
  const text = readTextOrNull(value, field, max);
  return text === null ? null : cleanName(text, max === kMaxName ? undefined : max) || null;
}
