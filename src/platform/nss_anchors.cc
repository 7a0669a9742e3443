#include "platform/nss_anchors.h"

#include <algorithm>
#include <map>

#include "crypto/hash.h"
#include "platform/nss_database.h"

namespace fs = std::filesystem;

namespace latchkey::platform {
namespace {

using CertificateList = std::unique_ptr<CERTCertList, decltype(&CERT_DestroyCertList)>;

// The certificates of one database under names of ours, and what NSS calls them.
class Anchors {
 public:
  Anchors(const nss::Database& database, std::string_view prefix)
      : list_(PK11_ListCertsInSlot(database.slot()), CERT_DestroyCertList) {
    if (!list_) {
      return;
    }
    const std::string own = std::string(nss::kTokenName) + ":";
    for (CERTCertListNode* node = CERT_LIST_HEAD(list_.get()); !CERT_LIST_END(node, list_.get());
         node = CERT_LIST_NEXT(node)) {
      std::string_view name = node->cert->nickname != nullptr ? node->cert->nickname : "";
      if (name.starts_with(own)) {
        name.remove_prefix(own.size());
      }
      if (!name.starts_with(prefix)) {
        continue;
      }
      const ByteSpan der(node->cert->derCert.data, node->cert->derCert.len);
      const Digest256 digest = crypto::sha256(der);
      certificates_.emplace(digest, node->cert);
      found_.push_back({std::string(name), digest, nss::is_trusted(node->cert)});
    }
  }

  // False: the database could not be read. One that is empty reads as an empty list.
  [[nodiscard]] bool read() const { return list_ != nullptr; }
  [[nodiscard]] const std::vector<FoundAnchor>& found() const { return found_; }
  [[nodiscard]] CERTCertificate* certificate(const Digest256& digest) const {
    return certificates_.at(digest);
  }

 private:
  CertificateList list_;
  std::map<Digest256, CERTCertificate*> certificates_;
  std::vector<FoundAnchor> found_;
};

Error not_kept(const fs::path& folder) {
  return {Error::Code::kSystem, "the trust store did not keep what was changed: " + folder.string(),
          "Close the browser, then try again."};
}

struct Changes {
  AnchorOutcome outcome;
  AnchorPlan plan;  // what was meant, for reading back
};

Result<std::vector<FoundAnchor>, Error> read_locked(const fs::path& folder,
                                                    std::string_view prefix) {
  const nss::Database database(folder, false);
  if (!database.open()) {
    return fail(nss::last_error("cannot open the browser's trust store", folder));
  }
  const Anchors anchors(database, prefix);
  if (!anchors.read()) {
    return fail(nss::last_error("cannot read the browser's trust store", folder));
  }
  return anchors.found();
}

// Removing comes first, and is not held up by what cannot be added.
Result<Changes, Error> change(const fs::path& folder, std::string_view prefix,
                              const std::vector<WantedAnchor>& wanted, const AnchorSource& source,
                              std::size_t limit) {
  const nss::Database database(folder, true);
  if (!database.open()) {
    return fail(nss::last_error("cannot open the browser's trust store", folder));
  }
  const Anchors anchors(database, prefix);
  if (!anchors.read()) {
    return fail(nss::last_error("cannot read the browser's trust store", folder));
  }
  Changes changes{{}, plan_anchors(wanted, anchors.found())};
  AnchorOutcome& outcome = changes.outcome;
  for (const Digest256& digest : changes.plan.remove) {
    if (outcome.removed == limit) {
      outcome.more = true;
      return changes;
    }
    if (SEC_DeletePermCertificate(anchors.certificate(digest)) != SECSuccess) {
      return fail(nss::last_error("cannot remove from the browser's trust store", folder));
    }
    ++outcome.removed;
  }
  outcome.password = database.has_password();
  if (outcome.password || changes.plan.add.empty()) {
    return changes;
  }
  if (!database.ready_to_write()) {
    return fail(nss::last_error("cannot prepare the browser's trust store", folder));
  }
  for (const WantedAnchor* want : changes.plan.add) {
    if (outcome.added == limit || outcome.missing.size() == limit) {
      outcome.more = true;
      break;
    }
    const auto der = source(want->digest);
    if (!der) {
      outcome.missing.push_back(want->digest);
    } else if (nss::put_trusted(database, *der, want->nickname) == nss::Put::kDone) {
      ++outcome.added;
    } else {
      return fail(nss::last_error("cannot add to the browser's trust store", folder));
    }
  }
  return changes;
}

}  // namespace

Result<AnchorOutcome, Error> reconcile_anchors(const fs::path& folder, std::string_view prefix,
                                               const std::vector<WantedAnchor>& wanted,
                                               const AnchorSource& source, std::size_t limit) {
  if (!folder.is_absolute()) {
    return fail(Error{Error::Code::kMisuse, "an absolute folder is needed", {}});
  }
  if (!nss::has_database(folder)) {
    return fail(Error{Error::Code::kMissing, "no trust store yet: " + folder.string(), {}});
  }
  const std::scoped_lock lock(nss::lock());
  auto changes = change(folder, prefix, wanted, source, limit);
  if (!changes) {
    return fail(changes.error());
  }
  AnchorOutcome outcome = std::move(changes->outcome);
  if (outcome.added + outcome.removed == 0) {
    return outcome;
  }
  // As a browser finds it.
  const auto kept = read_locked(folder, prefix);
  if (!kept) {
    return fail(kept.error());
  }
  const AnchorPlan left = plan_anchors(wanted, *kept);
  if (left.add.size() + outcome.added != changes->plan.add.size() ||
      left.remove.size() + outcome.removed != changes->plan.remove.size()) {
    return fail(not_kept(folder));
  }
  return outcome;
}

Result<std::vector<FoundAnchor>, Error> read_anchors(const fs::path& folder,
                                                     std::string_view prefix) {
  if (!nss::has_database(folder)) {
    return fail(Error{Error::Code::kMissing, "no trust store yet: " + folder.string(), {}});
  }
  const std::scoped_lock lock(nss::lock());
  return read_locked(folder, prefix);
}

}  // namespace latchkey::platform
