// Makers and their models: what may be registered, and the import of a maker's file.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/host_name.h"
#include "crypto/chain.h"
#include "crypto/hash.h"
#include "provider/registry.h"
#include "provider/registry_rules.h"
#include "provider/well_known.h"
#include "wire/strict_json.h"

namespace latchkey::provider {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxVendorRoots = 16;
constexpr std::size_t kMaxImportModels = 1000;

Result<void> check_roots(const std::vector<Bytes>& roots) {
  for (const Bytes& root : roots) {
    if (!crypto::is_ca_certificate(root)) {
      return invalid("a root must be the certificate of a CA; \"" + crypto::certificate_name(root) +
                     "\" is none");
    }
  }
  if (roots.empty() || roots.size() > kMaxVendorRoots) {
    return invalid("a vendor has 1 to 16 root certificates");
  }
  return {};
}

// Those of `more` that `roots` does not hold go to its end; gives how many.
std::size_t merge(std::vector<Bytes>& roots, const std::vector<Bytes>& more) {
  std::size_t added = 0;
  for (const Bytes& root : more) {
    if (std::find(roots.begin(), roots.end(), root) == roots.end()) {
      roots.push_back(root);
      ++added;
    }
  }
  return added;
}

Result<void> check_model(const ModelWish& wish, const Vendor& vendor) {
  if (auto name = checked_name(wish.name, "a model's name", attest::kMaxDisplayName); !name) {
    return fail(std::move(name.error()));
  }
  if (!is_device_type(wish.type)) {
    return invalid("a model's type is words of a-z and 0-9 joined by hyphens: media-cache");
  }
  if (wish.aaguid.bytes() == ByteArray<16>{}) {
    return invalid("an AAGUID of zeros names no model");
  }
  // An empty list stands for all of the vendor's, and the published record has room for so many.
  const std::size_t roots = wish.roots.empty() ? vendor.roots.size() : wish.roots.size();
  if (roots > attest::kMaxModelRoots) {
    return invalid("a model has at most 8 roots: name them");
  }
  for (const Digest256& digest : wish.roots) {
    const auto is_it = [&](const Bytes& root) { return crypto::sha256(root) == digest; };
    if (std::none_of(vendor.roots.begin(), vendor.roots.end(), is_it)) {
      return invalid("the vendor has no root with the SHA-256 " + hex_encode(digest));
    }
  }
  return {};
}

// --- the file of a maker ---

struct MakersFile {
  VendorWish vendor;
  std::vector<ModelWish> models;
};

const std::string* text_in(const json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? found->get_ptr<const std::string*>()
                                                     : nullptr;
}

const json* list_in(const json& object, const char* key, std::size_t max) {
  const auto found = object.find(key);
  return found != object.end() && found->is_array() && found->size() <= max ? &*found : nullptr;
}

std::optional<ModelWish> read_model(const json& object) {
  const std::string* id = text_in(object, "aaguid");
  const std::string* name = text_in(object, "name");
  const std::string* type = text_in(object, "type");
  const auto aaguid = id != nullptr ? attest::parse_aaguid(*id) : std::nullopt;
  if (!aaguid || name == nullptr || type == nullptr) {
    return std::nullopt;
  }
  ModelWish wish{*aaguid, 0, *name, *type, {}, attest::ModelStatus::kSelfAssertionSubmitted};
  if (!object.contains("roots")) {
    return wish;
  }
  const json* roots = list_in(object, "roots", attest::kMaxModelRoots);
  if (roots == nullptr) {
    return std::nullopt;
  }
  for (const json& root : *roots) {
    const auto bytes =
        root.is_string() ? hex_decode(root.get_ref<const std::string&>(), 32) : std::nullopt;
    const auto digest = bytes ? to_array<32>(*bytes) : std::nullopt;
    if (!digest) {
      return std::nullopt;
    }
    wish.roots.push_back(*digest);
  }
  return wish;
}

Result<MakersFile> read_file(std::string_view text) {
  const auto file = wire::parse_json(text, {.bytes = kMaxImport, .depth = 6});
  if (!file || !file->is_object() || !file->contains("v") || (*file)["v"] != 1) {
    return invalid("this is not a file of latchkey-maker export");
  }
  const json vendor = file->value("vendor", json());
  const std::string* name = text_in(vendor, "name");
  const std::string* contact = text_in(vendor, "contact");
  const json* roots = list_in(*file, "roots", kMaxVendorRoots);
  const json* models = list_in(*file, "models", kMaxImportModels);
  if (name == nullptr || contact == nullptr || roots == nullptr || models == nullptr) {
    return invalid("the file must have a vendor (name, contact), up to 16 roots, and models");
  }
  MakersFile read{{*name, *contact, {}}, {}};
  for (const json& root : *roots) {
    const auto certificates =
        root.is_string() ? crypto::certificates_from_pem(root.get_ref<const std::string&>())
                         : crypto::Result<std::vector<Bytes>>();
    if (!certificates || certificates->size() != 1) {
      return invalid("every root in the file must be one certificate in PEM");
    }
    read.vendor.roots.push_back(certificates->front());
  }
  for (const json& model : *models) {
    auto wish = read_model(model);
    if (!wish) {
      return invalid("every model in the file must have an aaguid, a name and a type");
    }
    read.models.push_back(std::move(*wish));
  }
  return read;
}

}  // namespace

Result<Vendor> Registry::add_vendor(const VendorWish& wish, const Act& act) {
  if (auto allowed = allow(act, Action::kVendors); !allowed) {
    return fail(std::move(allowed.error()));
  }
  const auto name = checked_name(wish.name, "a vendor's name", attest::kMaxDisplayName);
  if (!name) {
    return fail(name.error());
  }
  const auto contact = checked_contact(wish.contact);
  if (!contact) {
    return fail(contact.error());
  }
  std::vector<Bytes> roots;
  merge(roots, wish.roots);
  if (auto good = check_roots(roots); !good) {
    return fail(std::move(good.error()));
  }
  return records_.add_vendor({0, *name, *contact, roots, act.when}, act);
}

Result<Vendor> Registry::add_vendor_roots(std::int64_t id, const std::vector<Bytes>& roots,
                                          const Act& act) {
  if (auto allowed = allow(act, Action::kVendors); !allowed) {
    return fail(std::move(allowed.error()));
  }
  auto found = records_.vendor(id);
  if (!found) {
    return fail(std::move(found.error()));
  }
  if (!*found) {
    return fail(Error{ErrorCode::kNotFound, "there is no vendor " + std::to_string(id)});
  }
  Vendor vendor = std::move(**found);
  if (merge(vendor.roots, roots) == 0) {
    return vendor;
  }
  if (auto good = check_roots(vendor.roots); !good) {
    return fail(std::move(good.error()));
  }
  if (auto stored = records_.change_vendor(vendor, act); !stored) {
    return fail(std::move(stored.error()));
  }
  return vendor;
}

Result<Model> Registry::add_model(const ModelWish& wish, const Act& act) {
  if (auto allowed = allow(act, Action::kModels); !allowed) {
    return fail(std::move(allowed.error()));
  }
  // A registrar enters models; that one is certified, or revoked, a reviewer says.
  if (wish.status != attest::ModelStatus::kSelfAssertionSubmitted &&
      wish.status != attest::ModelStatus::kNotCertified && !may(act.role, Action::kModelStatus)) {
    return fail(Error{ErrorCode::kForbidden, "the role " + act.role + " may not certify"});
  }
  const auto vendor = records_.vendor(wish.vendor);
  if (!vendor) {
    return fail(vendor.error());
  }
  if (!*vendor) {
    return fail(Error{ErrorCode::kNotFound, "there is no vendor " + std::to_string(wish.vendor)});
  }
  if (auto good = check_model(wish, **vendor); !good) {
    return fail(std::move(good.error()));
  }
  Model model{wish.aaguid, wish.vendor, wish.name,
              wish.type,   wish.roots,  {{wish.status, act.when, act.why}}};
  if (auto stored = records_.add_model(model, act); !stored) {
    return fail(std::move(stored.error()));
  }
  return model;
}

Result<Imported> Registry::import_vendor(std::string_view text, bool add_roots, const Act& act) {
  auto file = read_file(text);
  if (!file) {
    return fail(std::move(file.error()));
  }
  auto known = records_.vendor_named(file->vendor.name);
  if (!known) {
    return fail(std::move(known.error()));
  }
  Imported done;
  done.vendor_is_new = !known->has_value();
  std::vector<Bytes> merged = done.vendor_is_new ? std::vector<Bytes>() : (*known)->roots;
  if (const std::size_t more = merge(merged, file->vendor.roots);
      !done.vendor_is_new && more > 0 && !add_roots) {
    return fail(Error{ErrorCode::kConflict,
                      "there is a vendor called " + file->vendor.name +
                          " already, and this file brings " + std::to_string(more) +
                          " new root(s): make sure that they are its own, then repeat this with "
                          "--add-roots"});
  }
  const std::size_t before = done.vendor_is_new ? 0 : (*known)->roots.size();
  auto vendor = done.vendor_is_new ? add_vendor(file->vendor, act)
                                   : add_vendor_roots((*known)->id, file->vendor.roots, act);
  if (!vendor) {
    return fail(std::move(vendor.error()));
  }
  done.vendor = std::move(*vendor);
  done.roots_added = done.vendor.roots.size() - before;
  for (ModelWish& wish : file->models) {
    wish.vendor = done.vendor.id;
    const auto there = records_.model(wish.aaguid);
    if (!there) {
      return fail(there.error());
    }
    if (*there && (*there)->vendor != wish.vendor) {
      return fail(Error{ErrorCode::kConflict,
                        attest::aaguid_text(wish.aaguid) + " is a model of another vendor"});
    }
    if (*there) {
      ++done.models_known;
    } else if (auto added = add_model(wish, act); !added) {
      return fail(std::move(added.error()));
    } else {
      ++done.models_added;
    }
  }
  return done;
}

}  // namespace latchkey::provider
