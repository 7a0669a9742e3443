#include "agent/connection.h"

#include <algorithm>
#include <utility>

namespace latchkey::agent {
namespace {

using wire::ErrorCode;

tl::unexpected<Error> malformed(std::string message) {
  return fail(Error{ErrorCode::kMalformed, std::move(message)});
}

tl::unexpected<Error> too_much() {
  return fail(Error{ErrorCode::kLocked, "That was a lot at once. Wait a moment and try again."});
}

bool is_about_store(const Method& method) {
  return std::holds_alternative<StoreStatus>(method) ||
         std::holds_alternative<StoreUnlock>(method) || std::holds_alternative<StoreSeal>(method) ||
         std::holds_alternative<StoreAccept>(method) ||
         std::holds_alternative<StoreStartAnew>(method);
}

bool is_about_link(const Method& method) {
  return std::holds_alternative<NearbyOpen>(method) ||
         std::holds_alternative<NearbyValue>(method) ||
         std::holds_alternative<NearbyTaken>(method) ||
         std::holds_alternative<NearbyLost>(method) || std::holds_alternative<NearbyClose>(method);
}

}  // namespace

bool RateLimit::take(MonoTime now) {
  if (since_ && left_ < shape_.burst) {
    const auto earned = (now - *since_) / shape_.refill;
    if (earned > 0) {
      left_ = static_cast<unsigned>(std::min<std::int64_t>(shape_.burst, left_ + earned));
      since_ = *since_ + earned * shape_.refill;
    }
  }
  if (left_ == shape_.burst) {
    since_ = now;
  }
  if (left_ == 0) {
    return false;
  }
  --left_;
  return true;
}

Connection::Connection(std::string chromium_id, std::string firefox_id)
    : chromium_id_(std::move(chromium_id)),
      firefox_id_(std::move(firefox_id)),
      all_({200, std::chrono::milliseconds(20)}),
      pairings_({10, std::chrono::seconds(6)}),
      codes_({10, std::chrono::seconds(2)}),
      tickets_({60, std::chrono::milliseconds(500)}),
      values_({1024, std::chrono::milliseconds(1)}),
      network_({20, std::chrono::seconds(1)}) {}

Browser Connection::browser_of(const Hello& hello) const {
  if (!hello.extension || hello.extension->empty()) {
    return Browser::kNone;
  }
  return *hello.extension == chromium_id_  ? Browser::kChromium
         : *hello.extension == firefox_id_ ? Browser::kFirefox
                                           : Browser::kNone;
}

Result<void> Connection::on_hello(const Hello& hello) {
  if (hello_) {
    return malformed("hello was said already.");
  }
  if (hello.client == Hello::Client::kExtension) {
    // Only the native host adds the extension's id, and only for the extension it was started by.
    if (!hello.profile || *hello.profile == kUserProfile || browser_of(hello) == Browser::kNone) {
      return malformed("This is not the browser extension that works with this agent.");
    }
  } else if (hello.extension) {
    return malformed("A browser extension is not the command line.");
  }
  hello_ = hello;
  browser_ = browser_of(hello);
  return {};
}

Result<void> Connection::admit(const Method& method, MonoTime now) {
  if (const auto* hello = std::get_if<Hello>(&method)) {
    return on_hello(*hello);
  }
  if (!hello_) {
    return malformed("hello comes first.");
  }
  if (const auto* doctor = std::get_if<Doctor>(&method);
      doctor != nullptr && (doctor->databases || doctor->browsers) &&
      hello_->client != Hello::Client::kCommandLine) {
    return malformed("Only the command line says where things are.");
  }
  if (std::holds_alternative<SetupFirefox>(method) &&
      hello_->client != Hello::Client::kCommandLine) {
    return malformed("Only the command line sets things up.");
  }
  if ((std::holds_alternative<BackupExport>(method) ||
       std::holds_alternative<BackupImport>(method) ||
       std::holds_alternative<ProfilesList>(method) ||
       std::holds_alternative<ProfilesAdopt>(method)) &&
      hello_->client != Hello::Client::kCommandLine) {
    return malformed("Only the command line moves what is remembered.");
  }
  if (is_about_link(method) && hello_->client != Hello::Client::kExtension) {
    return malformed("Only a browser's window carries a Bluetooth link.");
  }
  if (is_about_store(method) && hello_->client != Hello::Client::kCommandLine) {
    return malformed("Only the command line looks after the keys.");
  }
  if (std::holds_alternative<NearbyValue>(method) || std::holds_alternative<NearbyTaken>(method)) {
    return values_.take(now) ? Result<void>{} : Result<void>(too_much());
  }
  bool in_time = all_.take(now);
  if (std::holds_alternative<PairBegin>(method) || std::holds_alternative<PairName>(method)) {
    in_time = in_time && pairings_.take(now);
  } else if (std::holds_alternative<PairCode>(method) ||
             std::holds_alternative<PairNetwork>(method)) {
    in_time = in_time && codes_.take(now);
  } else if (const auto* mint = std::get_if<TicketMint>(&method)) {
    // Looking where a device went costs more than a ticket.
    in_time = in_time && tickets_.take(now) && (!mint->failed || network_.take(now));
  } else if (std::holds_alternative<CertificateRenew>(method) ||
             std::holds_alternative<GrantsRevoke>(method) ||
             std::holds_alternative<DiscoverStart>(method) ||
             std::holds_alternative<NearbyOpen>(method) ||
             std::holds_alternative<MetadataRefresh>(method) ||
             std::holds_alternative<GrantsPause>(method) ||
             std::holds_alternative<GrantsResume>(method) ||
             std::holds_alternative<DevicesForget>(method) ||
             std::holds_alternative<DevicesPeople>(method) ||
             std::holds_alternative<SetupFirefox>(method) ||
             std::holds_alternative<BackupExport>(method) ||
             std::holds_alternative<BackupImport>(method) ||
             std::holds_alternative<Doctor>(method)) {
    in_time = in_time && network_.take(now);
  }
  if (!in_time) {
    return too_much();
  }
  return {};
}

bool Connection::sees(const ProfileId& profile) const {
  return hello_ && (!hello_->profile || *hello_->profile == profile);
}

ProfileId Connection::profile() const {
  return hello_ && hello_->profile ? *hello_->profile : kUserProfile;
}

}  // namespace latchkey::agent
