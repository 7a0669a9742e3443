// navigator.localDevices as the Latchkey extension gives it to secure top-level pages.

export interface LocalDeviceFilter {
  /** The kind of device, such as "media-cache", "nas", "printer", "camera", "gateway". */
  readonly type: string;
}

export interface LocalDeviceRequestOptions {
  /** 1 to 8 kinds of device that would do. */
  readonly filters: readonly LocalDeviceFilter[];
  /**
   * With whom people sign in at the device. The person sees it and agrees to it together with the
   * rest; whether the device takes this provider's word is for its owner to say.
   */
  readonly sso?: LocalDeviceSignIn;
}

export interface LocalDeviceSignIn {
  /** Exactly as the provider writes it: "https://accounts.example". At most 512 characters. */
  readonly issuer: string;
  /** What the provider knows this web service as. Without it the device makes itself known there. */
  readonly clientId?: string;
}

export interface LocalDeviceEventMap {
  /** The device may not be used now: taken back, or held. Which of them is the person's business. */
  revoked: Event;
  /** What was taken back may be used again, with the same id and address; call renew() first. */
  restored: Event;
}

export interface SignInOptions {
  /** A page of this web service, as the provider knows it. */
  readonly redirectUri: string;
  /** Which provider: the one that requestDevice() named, if it is left out, or the device's only one. */
  readonly issuer?: string;
  /** Ask the person nothing: works where the provider knows them already. */
  readonly silent?: boolean;
}

export interface SignedIn {
  readonly issuer: string;
  /** The provider's name for the person: `sub`. */
  readonly user: string;
}

export interface SignOutOptions {
  /** Where the provider may send the person afterwards: a page of this web service. */
  readonly redirectUri?: string;
}

export interface LocalDevice extends EventTarget {
  /** Stable for this person, device and web service; different for every other web service. */
  readonly id: string;
  readonly type: string;
  /** The device's own address for this web service: "https://host.local[:port]". */
  readonly url: string;
  /**
   * As window.fetch, for a path on this device. Sends the session along and opens it anew when it has
   * ended. Rejects with NetworkError (not reachable), InvalidStateError (gone), NotAllowedError.
   */
  fetch(path?: string | URL, init?: RequestInit): Promise<Response>;
  /** Opens or renews the session: before <video> or WebSocket with a device of getDevices(). */
  renew(): Promise<void>;
  /**
   * Signs the person in at the device with an identity provider that the device knows; call it from a
   * click, since it opens a window, or silently. `redirectUri` is a page of this web service that
   * calls completeSignIn(). Null: silent, and the provider would have to ask the person. Rejects with
   * NotSupportedError (the device has no sign-in), NotAllowedError (refused), NetworkError (no answer).
   */
  signIn(options: SignInOptions): Promise<SignedIn | null>;
  /** Who is signed in at the device in this page's session. */
  signedIn(): Promise<SignedIn | null>;
  /** Resolves with where the person can sign out at the provider, too, or null. */
  signOut(options?: SignOutOptions): Promise<string | null>;
  /** Gives the device back. */
  forget(): Promise<void>;
  addEventListener<K extends keyof LocalDeviceEventMap>(
    type: K,
    listener: (this: LocalDevice, event: LocalDeviceEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

export interface LocalDevices {
  /**
   * Asks the person for a device; from a click or key press only. Rejects with one and the same
   * NotFoundError whenever nothing was chosen, for whatever reason.
   */
  requestDevice(options: LocalDeviceRequestOptions): Promise<LocalDevice>;
  /** Devices this web service was given before and still may use. Asks nobody anything. */
  getDevices(): Promise<LocalDevice[]>;
  /** Whether this browser can ask at all. Says nothing about the person's devices. */
  getAvailability(): Promise<boolean>;
}

declare global {
  interface Navigator {
    readonly localDevices?: LocalDevices;
  }
}
