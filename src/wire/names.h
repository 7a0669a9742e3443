// Every name that crosses a border between programs: agent messages (docs/protocol.md section 10)
// and their fields. The extension keeps the same list in extension/src/protocol/names.ts;
// scripts/check_names fails when the two drift apart. Error codes: wire/error.cc.
#pragma once

#include <cstddef>
#include <string_view>

namespace latchkey::wire {

// Agent messages: 4-byte native-endian length, UTF-8 JSON.
inline constexpr std::size_t kMaxAgentMessage = 1048576;
inline constexpr std::string_view kNativeHostName = "org.latchkey.agent";

// Methods.
inline constexpr std::string_view kHello = "hello";
inline constexpr std::string_view kDiscoverStart = "discover.start";
inline constexpr std::string_view kDiscoverStop = "discover.stop";
inline constexpr std::string_view kPairBegin = "pair.begin";
inline constexpr std::string_view kPairName = "pair.name";
inline constexpr std::string_view kPairCode = "pair.code";
inline constexpr std::string_view kPairCancel = "pair.cancel";
inline constexpr std::string_view kPairNetwork = "pair.network";
inline constexpr std::string_view kNearbyOpen = "nearby.open";
inline constexpr std::string_view kNearbyValue = "nearby.value";
inline constexpr std::string_view kNearbyTaken = "nearby.taken";
inline constexpr std::string_view kNearbyLost = "nearby.lost";
inline constexpr std::string_view kNearbyClose = "nearby.close";
inline constexpr std::string_view kGrantsList = "grants.list";
inline constexpr std::string_view kGrantsGet = "grants.get";
inline constexpr std::string_view kGrantsRevoke = "grants.revoke";
inline constexpr std::string_view kTicketMint = "ticket.mint";
inline constexpr std::string_view kCertificateRenew = "certificate.renew";
inline constexpr std::string_view kPolicyCheck = "policy.check";
inline constexpr std::string_view kAnchorGet = "anchor.get";
inline constexpr std::string_view kMetadataStatus = "metadata.status";
inline constexpr std::string_view kMetadataRefresh = "metadata.refresh";
inline constexpr std::string_view kDoctor = "doctor";
inline constexpr std::string_view kSetupFirefox = "setup.firefox";
inline constexpr std::string_view kGrantsPause = "grants.pause";
inline constexpr std::string_view kGrantsResume = "grants.resume";
inline constexpr std::string_view kGrantsDetails = "grants.details";
inline constexpr std::string_view kDevicesList = "devices.list";
inline constexpr std::string_view kDevicesForget = "devices.forget";
inline constexpr std::string_view kDevicesPeople = "devices.people";
inline constexpr std::string_view kBackupExport = "backup.export";
inline constexpr std::string_view kBackupImport = "backup.import";
inline constexpr std::string_view kProfilesList = "profiles.list";
inline constexpr std::string_view kProfilesAdopt = "profiles.adopt";
// The store and its keys; the command line only.
inline constexpr std::string_view kStoreStatus = "store.status";
inline constexpr std::string_view kStoreUnlock = "store.unlock";
inline constexpr std::string_view kStoreSeal = "store.seal";
inline constexpr std::string_view kStoreAccept = "store.accept";
inline constexpr std::string_view kStoreStartAnew = "store.start_anew";

// Events.
inline constexpr std::string_view kDiscoverFound = "discover.found";
inline constexpr std::string_view kDiscoverLost = "discover.lost";
inline constexpr std::string_view kDiscoverState = "discover.state";
inline constexpr std::string_view kPairProgress = "pair.progress";
inline constexpr std::string_view kPairDone = "pair.done";
inline constexpr std::string_view kPairFailed = "pair.failed";
inline constexpr std::string_view kPairNetworkWanted = "pair.network_wanted";
inline constexpr std::string_view kNearbySend = "nearby.send";
inline constexpr std::string_view kNearbyConnect = "nearby.connect";
inline constexpr std::string_view kNearbyHangUp = "nearby.hang_up";
inline constexpr std::string_view kNearbyClosed = "nearby.closed";
inline constexpr std::string_view kGrantsChanged = "grants.changed";
inline constexpr std::string_view kTrustChanged = "trust.changed";

// Trust: fields and values about who is real and who is revoked.
inline constexpr std::string_view kChecked = "checked";
inline constexpr std::string_view kConsented = "consented";
inline constexpr std::string_view kHold = "hold";
inline constexpr std::string_view kProvider = "provider";
inline constexpr std::string_view kProviders = "providers";
inline constexpr std::string_view kSite = "site";
inline constexpr std::string_view kStanding = "standing";
inline constexpr std::string_view kDeviceReset = "device_reset";
inline constexpr std::string_view kOtherKey = "other_key";
inline constexpr std::string_view kRefused = "refused";
inline constexpr std::string_view kOriginSuspended = "origin_suspended";

}  // namespace latchkey::wire
