// vendor, model.
#include <nlohmann/json.hpp>

#include "attest/metadata.h"
#include "commands.h"
#include "crypto/chain.h"
#include "crypto/hash.h"
#include "registry_use.h"

namespace latchkey::providerd {
namespace {

using nlohmann::json;
using provider::ErrorCode;
using provider::Model;
using provider::Registry;
using provider::Vendor;

json to_json(const Vendor& vendor) {
  json roots = json::array();
  for (const Bytes& root : vendor.roots) {
    roots.push_back(
        {{"sha256", hex_encode(crypto::sha256(root))}, {"name", crypto::certificate_name(root)}});
  }
  return {{"id", vendor.id},
          {"name", vendor.name},
          {"contact", vendor.contact},
          {"created", vendor.created.unix_seconds},
          {"roots", roots}};
}

json to_json(const Model& model) {
  json roots = json::array();
  for (const Digest256& root : model.roots) {
    roots.push_back(hex_encode(root));
  }
  json reports = json::array();
  for (const provider::StatusReport& report : model.reports) {
    reports.push_back({{"status", attest::name_of(report.status)},
                       {"effective", attest::date_text(report.effective)},
                       {"reason", report.reason}});
  }
  return {{"aaguid", attest::aaguid_text(model.aaguid)},
          {"vendor", model.vendor},
          {"name", model.name},
          {"type", model.type},
          {"roots", roots},
          {"status", attest::name_of(model.status())},
          {"reports", reports}};
}

// By name, else by number. Nothing: it has said why.
std::optional<Vendor> find_vendor(Context& context, const std::string& which) {
  provider::Records* known = records(context);
  if (known == nullptr) {
    return std::nullopt;
  }
  auto found = known->vendor_named(which);
  if (found && !*found && which.find_first_not_of("0123456789") == std::string::npos &&
      !which.empty() && which.size() <= 18) {
    found = known->vendor(std::stoll(which));
  }
  if (!found) {
    complain(context, found.error());
    return std::nullopt;
  }
  if (!*found) {
    complain(context, {ErrorCode::kNotFound, "there is no vendor \"" + which +
                                                 "\"; latchkey-provider vendor list shows them"});
  }
  return std::move(*found);
}

struct VendorOptions {
  std::string name;
  std::string contact;
  std::vector<std::string> roots;  // files
  std::string file;
  bool add_roots = false;
};

std::optional<std::vector<Bytes>> read_roots(Context& context,
                                             const std::vector<std::string>& files) {
  std::vector<Bytes> roots;
  for (const std::string& file : files) {
    const auto text = read_input(context, file, crypto::kMaxPem);
    if (!text) {
      return std::nullopt;
    }
    const auto certificates = crypto::certificates_from_pem(*text);
    if (!certificates || certificates->empty()) {
      complain(context, {ErrorCode::kInvalid, file + " holds no certificate in PEM"});
      return std::nullopt;
    }
    roots.insert(roots.end(), certificates->begin(), certificates->end());
  }
  return roots;
}

void add_vendor(Context& context, const VendorOptions& options) {
  const auto roots = read_roots(context, options.roots);
  if (!roots) {
    return;
  }
  use_registry(context, [&](Registry& registry) {
    const auto vendor = registry.add_vendor({options.name, options.contact, *roots}, act(context));
    return report(context, vendor, [&](const Vendor& added) {
      answer(context, to_json(added),
             added.name + " is vendor " + std::to_string(added.id) +
                 ". Next: latchkey-provider model add --vendor " + std::to_string(added.id));
    });
  });
}

void list_vendors(Context& context) {
  provider::Records* known = records(context);
  const auto vendors =
      known != nullptr ? known->vendors() : provider::Result<std::vector<Vendor>>();
  if (known == nullptr) {
    return;
  }
  report(context, vendors, [&](const std::vector<Vendor>& all) {
    json document = json::array();
    std::vector<std::vector<std::string>> rows;
    for (const Vendor& vendor : all) {
      document.push_back(to_json(vendor));
      rows.push_back({std::to_string(vendor.id), vendor.name, vendor.contact,
                      std::to_string(vendor.roots.size())});
    }
    answer(context, document, table({"ID", "NAME", "CONTACT", "ROOTS"}, rows));
  });
}

void show_vendor(Context& context, const std::string& which) {
  const auto vendor = find_vendor(context, which);
  if (!vendor) {
    return;
  }
  std::string text = vendor->name + "\n  number   " + std::to_string(vendor->id) + "\n  contact  " +
                     vendor->contact + "\n  since    " + time_text(vendor->created) + "\n";
  for (const Bytes& root : vendor->roots) {
    text += "  root     " + crypto::certificate_name(root) + "\n           " +
            hex_encode(crypto::sha256(root)) + "\n";
  }
  answer(context, to_json(*vendor), text);
}

void import_vendor(Context& context, const VendorOptions& options) {
  const auto text = read_input(context, options.file, provider::kMaxImport);
  if (!text) {
    return;
  }
  use_registry(context, [&](Registry& registry) {
    const auto done = registry.import_vendor(*text, options.add_roots, act(context));
    return report(context, done, [&](const provider::Imported& imported) {
      const json document = {{"vendor", to_json(imported.vendor)},
                             {"new", imported.vendor_is_new},
                             {"roots_added", imported.roots_added},
                             {"models_added", imported.models_added},
                             {"models_known", imported.models_known}};
      answer(context, document,
             imported.vendor.name + " (vendor " + std::to_string(imported.vendor.id) +
                 "): " + std::to_string(imported.roots_added) + " roots and " +
                 std::to_string(imported.models_added) + " models added, " +
                 std::to_string(imported.models_known) + " models were known");
    });
  });
}

struct ModelOptions {
  std::string aaguid;
  std::string vendor;
  std::string name;
  std::string type = "media-cache";
  std::string status;
  std::string effective;
  std::vector<std::string> roots;
};

std::optional<attest::Aaguid> read_aaguid(Context& context, const std::string& text) {
  auto aaguid = attest::parse_aaguid(text);
  if (!aaguid) {
    complain(context,
             {ErrorCode::kInvalid, "an AAGUID is written 01234567-89ab-cdef-0123-456789abcdef"});
  }
  return aaguid;
}

std::optional<attest::ModelStatus> read_status(Context& context, const std::string& text) {
  const auto status = attest::model_status_from(text);
  if (!status) {
    complain(context, {ErrorCode::kInvalid,
                       "a model's status is NOT_CERTIFIED, SELF_ASSERTION_SUBMITTED, CERTIFIED, "
                       "UPDATE_AVAILABLE, ATTESTATION_KEY_COMPROMISE or REVOKED"});
  }
  return status;
}

void add_model(Context& context, const ModelOptions& options) {
  const auto aaguid = read_aaguid(context, options.aaguid);
  const auto status = options.status.empty() ? attest::ModelStatus::kSelfAssertionSubmitted
                                             : read_status(context, options.status);
  const auto vendor = aaguid && status ? find_vendor(context, options.vendor) : std::nullopt;
  if (!vendor) {
    return;
  }
  provider::ModelWish wish{*aaguid, vendor->id, options.name, options.type, {}, *status};
  for (const std::string& root : options.roots) {
    const auto bytes = hex_decode(root, 32);
    const auto digest = bytes ? to_array<32>(*bytes) : std::nullopt;
    if (!digest) {
      complain(context, {ErrorCode::kInvalid,
                         "a root is named by 64 hex digits of its SHA-256; "
                         "latchkey-provider vendor show prints them"});
      return;
    }
    wish.roots.push_back(*digest);
  }
  use_registry(context, [&](Registry& registry) {
    return report(context, registry.add_model(wish, act(context)), [&](const Model& model) {
      answer(context, to_json(model),
             model.name + " of " + vendor->name +
                 " is registered: " + std::string(attest::name_of(model.status())));
    });
  });
}

void list_models(Context& context, const provider::Page& page) {
  provider::Records* known = records(context);
  if (known == nullptr) {
    return;
  }
  provider::Page asked = page;
  if (const auto after = attest::parse_aaguid(page.after)) {
    asked.after = after->hex();
  }
  report(context, known->models(asked), [&](const std::vector<Model>& models) {
    json document = json::array();
    std::vector<std::vector<std::string>> rows;
    for (const Model& model : models) {
      document.push_back(to_json(model));
      rows.push_back({attest::aaguid_text(model.aaguid), std::to_string(model.vendor), model.name,
                      std::string(attest::name_of(model.status()))});
    }
    answer(context, document, table({"AAGUID", "VENDOR", "NAME", "STATUS"}, rows));
  });
}

void set_status(Context& context, const ModelOptions& options) {
  const auto aaguid = read_aaguid(context, options.aaguid);
  const auto status = aaguid ? read_status(context, options.status) : std::nullopt;
  if (!status) {
    return;
  }
  std::optional<WallTime> effective;
  if (!options.effective.empty()) {
    effective = attest::parse_date(options.effective);
    if (!effective) {
      complain(context, {ErrorCode::kInvalid, "a date is written 2026-11-27"});
      return;
    }
  }
  use_registry(context, [&](Registry& registry) {
    const auto done = registry.set_model_status(*aaguid, *status, effective, act(context));
    return report_done(
        context, done, {{"aaguid", options.aaguid}, {"status", options.status}},
        options.aaguid + " is " + options.status + " from now on. It counts once it is published.");
  });
}

}  // namespace

void add_vendor_commands(CLI::App& app, Context& context) {
  auto options = std::make_shared<VendorOptions>();
  auto* vendor = app.add_subcommand("vendor", "Makers of devices");
  vendor->require_subcommand(1);
  auto* add = vendor->add_subcommand("add", "Register a maker");
  add->add_option("NAME", options->name, "As people know it")->required();
  add->add_option("--contact", options->contact, "mailto: or https:")->required();
  add->add_option("--root", options->roots, "Root certificate(s) of its attestation, PEM")
      ->required();
  add->callback([&context, options] { add_vendor(context, *options); });
  vendor->add_subcommand("list", "All makers")->callback([&context] { list_vendors(context); });
  auto* show = vendor->add_subcommand("show", "One maker and its roots");
  show->add_option("VENDOR", options->name, "Name or number")->required();
  show->callback([&context, options] { show_vendor(context, options->name); });
  auto* import = vendor->add_subcommand("import", "What latchkey-maker export has written");
  import->add_option("FILE", options->file, "The file, or - for standard input")->required();
  import->add_flag("--add-roots", options->add_roots,
                   "New roots for a maker that is known: somebody has made sure they are its own");
  import->callback([&context, options] { import_vendor(context, *options); });
}

void add_model_commands(CLI::App& app, Context& context) {
  auto options = std::make_shared<ModelOptions>();
  auto page = std::make_shared<provider::Page>();
  auto* model = app.add_subcommand("model", "Models of devices and what they are trusted with");
  model->require_subcommand(1);
  auto* add = model->add_subcommand("add", "Register a model");
  add->add_option("AAGUID", options->aaguid, "Its number")->required();
  add->add_option("--vendor", options->vendor, "Name or number")->required();
  add->add_option("--name", options->name, "As people know it")->required();
  add->add_option("--type", options->type, "What kind of device")->capture_default_str();
  add->add_option("--root", options->roots, "SHA-256 of a root of the vendor (default: all)");
  add->add_option("--status", options->status, "Default: SELF_ASSERTION_SUBMITTED");
  add->callback([&context, options] { add_model(context, *options); });
  auto* list = model->add_subcommand("list", "Models, by number");
  add_page_options(*list, *page);
  list->callback([&context, page] { list_models(context, *page); });
  auto* status = model->add_subcommand("status", "Certify or revoke a model (with --reason)");
  status->add_option("AAGUID", options->aaguid, "Its number")->required();
  status->add_option("STATUS", options->status, "As FIDO calls it")->required();
  status->add_option("--effective", options->effective, "Since this day (YYYY-MM-DD)");
  status->callback([&context, options] { set_status(context, *options); });
}

}  // namespace latchkey::providerd
