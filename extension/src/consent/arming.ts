// The allow button answers only after the window was in focus, seen and untouched for 600 ms, and
// starts over whenever it loses focus: a window that pops up under a finger that is already typing
// or clicking must not be agreed to by accident. Pure: the time (milliseconds) is an argument.

export const kArmingMs = 600;

export class Arming {
  private since: number | null = null;

  // To be told of every change, and may be told as often as one likes.
  focus(focused: boolean, now: number): void {
    if (!focused) this.since = null;
    else this.since ??= now;
  }

  armed(now: number): boolean {
    return this.since !== null && now - this.since >= kArmingMs;
  }
}
