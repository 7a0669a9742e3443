#include "platform/nss_trust.h"

#include <pk11pub.h>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "platform/nss_database.h"

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

using nss::Certificate;
using nss::Database;

constexpr std::size_t kMaxCertificate = 65536;

RootState state_of(const Database& database, ByteSpan der) {
  const Certificate found = database.find(der);
  if (!found) {
    return RootState::kAbsent;
  }
  return nss::is_trusted(found.get()) ? RootState::kTrusted : RootState::kUntrusted;
}

Result<void, Error> put(const fs::path& folder, ByteSpan der, const std::string& nickname) {
  const Database database(folder, true);
  if (!database.open()) {
    return fail(nss::last_error("cannot open the browser's trust store", folder));
  }
  if (!database.ready_to_write()) {
    return fail(nss::last_error("cannot prepare the browser's trust store", folder));
  }
  if (database.has_password()) {
    return fail(Error{Error::Code::kLocked,
                      "the browser's trust store has a password: " + folder.string(),
                      "Remove the password: certutil -W -d sql:" + folder.string()});
  }
  switch (nss::put_trusted(database, der, nickname)) {
    case nss::Put::kNoCertificate:
      return fail(Error{Error::Code::kMisuse, "not a certificate", {}});
    case nss::Put::kNotAdded:
      return fail(nss::last_error("cannot add to the browser's trust store", folder));
    case nss::Put::kNotTrusted:
      return fail(nss::last_error("cannot mark as trusted in the browser's trust store", folder));
    case nss::Put::kDone:
      break;
  }
  return {};
}

Result<RootState, Error> read_state(const fs::path& folder, ByteSpan der) {
  if (!nss::has_database(folder)) {
    return RootState::kNoDatabase;
  }
  const Database database(folder, false);
  if (!database.open()) {
    return fail(nss::last_error("cannot read the browser's trust store", folder));
  }
  return state_of(database, der);
}

std::optional<Error> refuse(const fs::path& folder, ByteSpan der) {
  if (!folder.is_absolute() || der.empty() || der.size() > kMaxCertificate) {
    return Error{Error::Code::kMisuse, "an absolute folder and a certificate are needed", {}};
  }
  return std::nullopt;
}

}  // namespace

Result<void, Error> install_root(const fs::path& folder, ByteSpan certificate,
                                 const std::string& nickname) {
  if (auto error = refuse(folder, certificate)) {
    return fail(*error);
  }
  // A browser's own folder is left as it is, whatever its mode.
  if (std::error_code ignored; !fs::is_directory(folder, ignored)) {
    if (auto made = make_private_folder(folder); !made) {
      return made;
    }
  }
  const std::scoped_lock lock(nss::lock());
  if (auto done = put(folder, certificate, nickname); !done) {
    return done;
  }
  const auto state = read_state(folder, certificate);
  if (!state) {
    return fail(state.error());
  }
  if (*state != RootState::kTrusted) {
    return fail(Error{Error::Code::kSystem, "the trust store did not keep it: " + folder.string(),
                      "Close the browser, then try again."});
  }
  return {};
}

Result<void, Error> remove_root(const fs::path& folder, ByteSpan certificate) {
  if (auto error = refuse(folder, certificate)) {
    return fail(*error);
  }
  const std::scoped_lock lock(nss::lock());
  if (!nss::has_database(folder)) {
    return {};
  }
  {
    const Database database(folder, true);
    if (!database.open()) {
      return fail(nss::last_error("cannot open the browser's trust store", folder));
    }
    if (const Certificate found = database.find(certificate);
        found && SEC_DeletePermCertificate(found.get()) != SECSuccess) {
      return fail(nss::last_error("cannot remove from the browser's trust store", folder));
    }
  }
  const auto state = read_state(folder, certificate);
  if (!state) {
    return fail(state.error());
  }
  if (*state != RootState::kAbsent) {
    return fail(Error{Error::Code::kSystem,
                      "the trust store did not let go of it: " + folder.string(),
                      "Close the browser, then try again."});
  }
  return {};
}

Result<RootState, Error> query_root(const fs::path& folder, ByteSpan certificate) {
  if (auto error = refuse(folder, certificate)) {
    return fail(*error);
  }
  const std::scoped_lock lock(nss::lock());
  return read_state(folder, certificate);
}

Result<std::vector<Bytes>, Error> roots_named(const fs::path& folder, const std::string& nickname) {
  std::vector<Bytes> found;
  const std::scoped_lock lock(nss::lock());
  if (!nss::has_database(folder)) {
    return found;
  }
  const Database database(folder, false);
  if (!database.open()) {
    return fail(nss::last_error("cannot read the browser's trust store", folder));
  }
  const std::unique_ptr<CERTCertList, decltype(&CERT_DestroyCertList)> list(
      PK11_ListCertsInSlot(database.slot()), CERT_DestroyCertList);
  if (!list) {
    return found;
  }
  for (CERTCertListNode* node = CERT_LIST_HEAD(list.get()); !CERT_LIST_END(node, list.get());
       node = CERT_LIST_NEXT(node)) {
    // Listed certificates carry their token's name as well.
    const std::string_view name = node->cert->nickname != nullptr ? node->cert->nickname : "";
    if (name == nickname || name == "Latchkey:" + nickname) {
      const SECItem& der = node->cert->derCert;
      found.emplace_back(der.data, der.data + der.len);
    }
  }
  return found;
}

std::vector<fs::path> chromium_databases(const Environment& environment) {
  const fs::path& home = environment.home;
  std::vector<fs::path> folders{home / ".pki" / "nssdb"};
  const std::array<fs::path, 6> confined{
      home / "snap/chromium/current",
      home / "snap/brave/current",
      home / ".var/app/org.chromium.Chromium",
      home / ".var/app/com.google.Chrome",
      home / ".var/app/com.brave.Browser",
      home / ".var/app/io.github.ungoogled_software.ungoogled_chromium",
  };
  for (const fs::path& own_home : confined) {
    std::error_code ignored;
    if (fs::is_directory(own_home, ignored)) {
      folders.push_back(own_home / ".pki" / "nssdb");
    }
  }
  return folders;
}

}  // namespace latchkey::platform
