// One prompt per gesture of the page. The browser says whether the page was touched in the last
// seconds; it does not say that the same touch was already used for a prompt, so that is counted
// here. Pure but for watch().

// For how long a browser calls one gesture active (transient activation); Chromium 5 s.
const kActivationMs = 5000;
const kGestures = ['pointerdown', 'pointerup', 'keydown', 'touchend', 'mousedown'] as const;

export class GestureGate {
  private serial = 0;
  private usedSerial = -1;
  private usedAt = Number.NEGATIVE_INFINITY;

  watch(target: Window): void {
    for (const name of kGestures) {
      target.addEventListener(
        name,
        (event) => {
          if (event.isTrusted) this.gesture();
        },
        { capture: true, passive: true },
      );
    }
  }

  gesture(): void {
    this.serial += 1;
  }

  // True once for each gesture. `now` in milliseconds on a clock that only goes forward.
  take(active: boolean, now: number): boolean {
    if (!active) return false;
    if (this.serial === this.usedSerial && now - this.usedAt < kActivationMs) return false;
    this.usedSerial = this.serial;
    this.usedAt = now;
    return true;
  }
}
