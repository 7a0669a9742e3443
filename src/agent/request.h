// Agent messages (docs/protocol.md section 10): JSON in, a typed request out. Every parameter has a
// type and a length; what is not listed is refused, so that a misspelt name is noticed.
//
// Nothing here decides whether a request is allowed: see connection.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/error.h"
#include "agent/nearby_request.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/origin.h"
#include "base/sign_in.h"
#include "grant/ticket.h"

namespace latchkey::agent {

inline constexpr std::size_t kMaxJsonDepth = 8;
inline constexpr std::size_t kMaxCodeText = 512;  // a pairing link at most
inline constexpr std::size_t kMaxDeviceKey = 64;
inline constexpr std::size_t kMaxFolders = 16;
inline constexpr std::size_t kMaxFolder = 200;
inline constexpr std::size_t kMaxBackupPath = 4096;
inline constexpr std::size_t kMaxPassphrase = 1024;
inline constexpr std::uint64_t kMaxMessageId = 9007199254740991;  // what JavaScript can hold

// A device as one connection knows it.
struct DeviceKey {
  std::string text;
};
// A pairing as one connection knows it.
struct PairId {
  std::string text;
};

struct Hello {
  enum class Client { kExtension, kCommandLine };
  Client client = Client::kCommandLine;
  std::string version;
  std::optional<ProfileId> profile;
  std::optional<std::string> extension;  // added by the native host
};
struct DiscoverStart {
  std::optional<std::string> type;
  bool nearby = false;  // by this computer's own Bluetooth, too
};
struct DiscoverStop {};
struct PairBegin {
  std::optional<Origin> origin;  // nothing: a direct grant
  std::string type;
  DeviceKey key;
  std::optional<std::string> name;  // direct grants: what to propose, instead of the device's name
  std::optional<SignInOffer> sso = std::nullopt;  // not of direct grants: with whom people sign in
};
// Direct grants: the name that the person confirmed, or another to try.
struct PairName {
  PairId session;
  std::string name;
};
struct PairCode {
  PairId session;
  SecretBytes code;
};
struct PairCancel {
  PairId session;
};
struct GrantsList {
  bool all = false;
  std::optional<GrantId> after;  // `more` of the page before
};
struct GrantsGet {
  GrantId id;
};
struct GrantsRevoke {
  GrantId id;
};
struct TicketMint {
  GrantId id;
  std::optional<Origin> origin;
  std::optional<grant::TicketNonce> nonce;
  bool failed = false;  // the device could not be reached by the page: it may have moved
};
struct CertificateRenew {
  GrantId id;
};
struct PolicyCheck {
  Origin origin;
  std::optional<std::string> type;
};
struct MetadataStatus {};
struct MetadataRefresh {};
struct AnchorGet {};
struct GrantsPause {
  GrantId id;
};
struct GrantsResume {
  GrantId id;
};
struct GrantsDetails {
  GrantId id;
};
struct DevicesList {};
struct DevicesForget {
  DeviceId id;
};
struct DevicesPeople {
  DeviceId id;
};
// Command line only, all four: moving to another computer (docs/backup.md). Files are absolute
// paths.
struct BackupExport {
  std::string file;
  SecretBytes passphrase;
};
struct BackupImport {
  std::string file;
  SecretBytes passphrase;
  bool replace = false;
};
struct ProfilesList {};
struct ProfilesAdopt {
  ProfileId from;
  ProfileId to;
};
// Command line only: where set-up put things besides the usual places. Remembered.
struct SetupFirefox {
  bool on = false;
  std::vector<std::string> folders;  // profiles besides those in the usual places
};
struct Doctor {
  std::optional<std::vector<std::string>> databases;
  std::optional<std::vector<std::string>> browsers;
};
// Command line only: the store and what keeps its key (store_state.h).
struct StoreStatus {};
struct StoreUnlock {
  std::optional<SecretBytes> passphrase;
  bool prompt = false;  // the desktop may ask the person
};
enum class SealWay { kKeyring, kPassphrase, kFile };
struct StoreSeal {
  SealWay way = SealWay::kFile;
  std::optional<SecretBytes> passphrase;  // for kPassphrase
  std::optional<SecretBytes> current;     // where it is sealed by a passphrase now
};
struct StoreAccept {};
struct StoreStartAnew {};

using Method =
    std::variant<Hello, DiscoverStart, DiscoverStop, PairBegin, PairName, PairCode, PairCancel,
                 GrantsList, GrantsGet, GrantsRevoke, TicketMint, CertificateRenew, PolicyCheck,
                 MetadataStatus, MetadataRefresh, AnchorGet, SetupFirefox, Doctor, GrantsPause,
                 GrantsResume, GrantsDetails, DevicesList, DevicesForget, DevicesPeople,
                 BackupExport, BackupImport, ProfilesList, ProfilesAdopt, StoreStatus, StoreUnlock,
                 StoreSeal, StoreAccept, StoreStartAnew, PairNetwork, NearbyOpen, NearbyValue,
                 NearbyTaken, NearbyLost, NearbyClose>;

struct Request {
  std::uint64_t id = 0;
  Method method;
};

// Why a message is no request. `id` where the message got far enough to have one: then it can be
// answered, else the connection ends.
struct BadRequest {
  std::optional<std::uint64_t> id;
  Error error;
};

// The caller wipes `text` where it may hold a secret.
latchkey::Result<Request, BadRequest> parse_request(std::string_view text);

}  // namespace latchkey::agent
