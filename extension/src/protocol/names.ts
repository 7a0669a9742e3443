// Every method, event, field and error name of the agent's messages (docs/protocol.md sections 10
// and 11), once. The same names under the same constants stand in src/wire/names.h; a script
// compares the two, so a constant here has a constant there, spelt alike, and one line each.

// The native messaging host.
export const kNativeHostName = 'org.latchkey.agent';
export const kProtocolVersion = 1;

// Bluetooth (src/gatt/names.h)
export const kGattService = '33d73d63-efd6-49a9-a686-039471b586ae';
export const kGattToDevice = '33d73d64-efd6-49a9-a686-039471b586ae';
export const kGattFromDevice = '33d73d65-efd6-49a9-a686-039471b586ae';
export const kGattRid = '33d73d66-efd6-49a9-a686-039471b586ae';

// Envelope
export const kId = 'id';
export const kMethod = 'method';
export const kParams = 'params';
export const kResult = 'result';
export const kError = 'error';
export const kEvent = 'event';
export const kCode = 'code';
export const kMessage = 'message';

// Methods
export const kHello = 'hello';
export const kDiscoverStart = 'discover.start';
export const kDiscoverStop = 'discover.stop';
export const kPairBegin = 'pair.begin';
export const kPairName = 'pair.name';
export const kPairCode = 'pair.code';
export const kPairCancel = 'pair.cancel';
export const kPairNetwork = 'pair.network';
export const kNearbyOpen = 'nearby.open';
export const kNearbyValue = 'nearby.value';
export const kNearbyTaken = 'nearby.taken';
export const kNearbyLost = 'nearby.lost';
export const kNearbyClose = 'nearby.close';
export const kGrantsList = 'grants.list';
export const kGrantsGet = 'grants.get';
export const kGrantsRevoke = 'grants.revoke';
export const kTicketMint = 'ticket.mint';
export const kCertificateRenew = 'certificate.renew';
export const kPolicyCheck = 'policy.check';
export const kAnchorGet = 'anchor.get';
export const kMetadataStatus = 'metadata.status';
export const kMetadataRefresh = 'metadata.refresh';
export const kDoctor = 'doctor';
export const kGrantsPause = 'grants.pause';
export const kGrantsResume = 'grants.resume';
export const kGrantsDetails = 'grants.details';
export const kDevicesList = 'devices.list';
export const kDevicesForget = 'devices.forget';
export const kDevicesPeople = 'devices.people';
export const kBackupExport = 'backup.export';
export const kBackupImport = 'backup.import';
export const kProfilesList = 'profiles.list';
export const kProfilesAdopt = 'profiles.adopt';

// Events
export const kDiscoverFound = 'discover.found';
export const kDiscoverLost = 'discover.lost';
export const kDiscoverState = 'discover.state';
export const kPairProgress = 'pair.progress';
export const kPairDone = 'pair.done';
export const kPairFailed = 'pair.failed';
export const kPairNetworkWanted = 'pair.network_wanted';
export const kNearbySend = 'nearby.send';
export const kNearbyConnect = 'nearby.connect';
export const kNearbyHangUp = 'nearby.hang_up';
export const kNearbyClosed = 'nearby.closed';
export const kGrantsChanged = 'grants.changed';
export const kTrustChanged = 'trust.changed';

// Fields
export const kAgain = 'again';
export const kAfter = 'after';
export const kAll = 'all';
export const kAllowed = 'allowed';
export const kBlockUntil = 'block_until';
export const kCa = 'ca';
export const kCaBefore = 'ca_before';
export const kChecked = 'checked';
export const kCertificate = 'certificate';
export const kClient = 'client';
export const kConsented = 'consented';
export const kCreated = 'created';
export const kDelivered = 'delivered';
export const kDetail = 'detail';
export const kDevice = 'device';
export const kDevices = 'devices';
export const kEvents = 'events';
export const kExpires = 'expires';
export const kFailed = 'failed';
export const kGrant = 'grant';
export const kGrants = 'grants';
export const kHold = 'hold';
export const kHost = 'host';
export const kInto = 'into';
export const kIssuer = 'issuer_sha256';
export const kKey = 'key';
export const kKeys = 'keys';
export const kKind = 'kind';
export const kKnown = 'known';
export const kLastSeen = 'last_seen';
export const kLastUsed = 'last_used';
export const kLeft = 'left';
export const kLink = 'link';
export const kMaker = 'maker';
export const kModel = 'model';
export const kModelId = 'model_id';
export const kMore = 'more';
export const kName = 'name';
export const kNearby = 'nearby';
export const kNetwork = 'network';
export const kNonce = 'nonce';
export const kNotAfter = 'not_after';
export const kOrigin = 'origin';
export const kPaused = 'paused';
export const kPeople = 'people';
export const kPerson = 'person';
export const kPort = 'port';
export const kProfile = 'profile';
export const kProtocol = 'protocol';
export const kProof = 'proof';
export const kProved = 'proved';
export const kPsk = 'psk';
export const kProvider = 'provider';
export const kProviders = 'providers';
export const kOtherKey = 'other_key';
export const kReady = 'ready';
export const kRenewAt = 'renew_at';
export const kReset = 'reset';
export const kRid = 'rid';
export const kRestartNeeded = 'restart_needed';
export const kRootInstalled = 'root_installed';
export const kServices = 'services';
export const kSession = 'session';
export const kSetup = 'setup';
export const kSince = 'since';
export const kSignInIssuer = 'issuer';
export const kSite = 'site';
export const kSsid = 'ssid';
export const kSso = 'sso';
export const kStanding = 'standing';
export const kState = 'state';
export const kStep = 'step';
export const kSubject = 'subject';
export const kTicket = 'ticket';
export const kTime = 'time';
export const kTrouble = 'trouble';
export const kType = 'type';
export const kUrl = 'url';
export const kValue = 'value';
export const kValidFrom = 'valid_from';
export const kValidTo = 'valid_to';
export const kVersion = 'version';
export const kWarning = 'warning';
export const kWarnings = 'warnings';
export const kYou = 'you';
export const kWindowOpen = 'window_open';

// Values
export const kActive = 'active';
export const kCheck = 'check';
export const kDeviceReset = 'device_reset';
export const kDigits8 = 'digits8';
export const kDone = 'done';
export const kExtension = 'extension';
export const kFresh = 'fresh';
export const kIssue = 'issue';
export const kKey128 = 'key128';
export const kLate = 'late';
export const kLinked = 'linked';
export const kLooking = 'looking';
export const kNever = 'never';
export const kNone = 'none';
export const kOriginSuspended = 'origin_suspended';
export const kPending = 'pending';
export const kProven = 'proven';
export const kRefused = 'refused';
export const kRevoked = 'revoked';
export const kSameName = 'same_name';
export const kSeen = 'seen';
export const kShape = 'shape';
export const kStale = 'stale';
export const kStart = 'start';
export const kSuspended = 'suspended';
export const kTaken = 'taken';
export const kThisComputer = 'this_computer';
export const kTry = 'try';
export const kUnattested = 'unattested';
export const kUnavailable = 'unavailable';
export const kUnproven = 'unproven';
export const kUnregistered = 'unregistered';
export const kWaiting = 'waiting';
export const kWorking = 'working';
export const kYours = 'yours';

// Locked: why the agent has not got its store
export const kKeyringLocked = 'keyring_locked';
export const kKeyringMissing = 'keyring_missing';
export const kPassphraseNeeded = 'passphrase_needed';

// Errors
export const kMalformed = 'malformed';
export const kUnsupported = 'unsupported';
export const kWindowClosed = 'window_closed';
export const kWrongCode = 'wrong_code';
export const kLocked = 'locked';
export const kAttestationFailed = 'attestation_failed';
export const kOriginRevoked = 'origin_revoked';
export const kDeviceRevoked = 'device_revoked';
export const kMetadataStale = 'metadata_stale';
export const kNameConflict = 'name_conflict';
export const kNotGranted = 'not_granted';
export const kNotAllowed = 'not_allowed';
export const kExpired = 'expired';
export const kUnreachable = 'unreachable';
export const kCancelled = 'cancelled';
export const kInternal = 'internal';

export const kErrorCodes = [
  kMalformed,
  kUnsupported,
  kWindowClosed,
  kWrongCode,
  kLocked,
  kAttestationFailed,
  kOriginRevoked,
  kDeviceRevoked,
  kMetadataStale,
  kNameConflict,
  kNotGranted,
  kNotAllowed,
  kExpired,
  kUnreachable,
  kCancelled,
  kInternal,
] as const;
export type ErrorCode = (typeof kErrorCodes)[number];
