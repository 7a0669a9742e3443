// Times as people say them. `then` and `now` in seconds since 1970.

const kUnits: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

export function sinceWhen(then: number, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium' }).format(new Date(then * 1000));
}

export function howLongAgo(then: number, now: number, language: string): string {
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const ago = Math.max(0, now - then);
  for (const [unit, seconds] of kUnits) {
    if (ago >= seconds) return format.format(-Math.floor(ago / seconds), unit);
  }
  return format.format(0, 'minute');
}
