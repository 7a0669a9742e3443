// Vendors and models.
#include <nlohmann/json.hpp>

#include "store/provider_store.h"
#include "store/provider_values.h"

namespace latchkey::store {
namespace {

using nlohmann::json;
using provider::Act;
using provider::ErrorCode;
using provider::Model;
using provider::Result;
using provider::StatusReport;
using provider::Vendor;
using soci::into;
using soci::use;

void check(const Vendor& vendor) {
  check_text(vendor.name, 1, kMaxName, "a vendor's name");
  check_text(vendor.contact, 0, kMaxContact, "a vendor's contact");
  if (vendor.roots.size() > kMaxRoots) {
    refuse(ErrorCode::kInvalid, "a vendor has at most 16 roots");
  }
  for (const Bytes& root : vendor.roots) {
    if (root.empty() || root.size() > kMaxRootBytes) {
      refuse(ErrorCode::kInvalid, "a root certificate has at most 8 KiB");
    }
  }
}

std::string describe(const Vendor& vendor) {
  return json{{"name", vendor.name}, {"contact", vendor.contact}, {"roots", vendor.roots.size()}}
      .dump();
}

bool vendor_exists(ProviderDatabase& database, long long id) {
  long long found = 0;
  database.sql() << "SELECT COUNT(*) FROM vendor WHERE id = :id", use(id), into(found);
  return found > 0;
}

// Another vendor of this name.
bool name_taken(ProviderDatabase& database, const Vendor& vendor) {
  long long found = 0;
  const long long id = vendor.id;
  database.sql() << "SELECT COUNT(*) FROM vendor WHERE name = :name AND id <> :id",
      use(vendor.name), use(id), into(found);
  return found > 0;
}

void write_roots(ProviderDatabase& database, const Vendor& vendor) {
  std::vector<Row> rows;
  for (const Bytes& root : vendor.roots) {
    rows.push_back(
        {std::to_string(vendor.id), std::to_string(rows.size()), base64url_encode(root)});
  }
  database.insert("vendor_root (vendor, place, der)", 3, rows);
}

std::vector<Bytes> read_roots(ProviderDatabase& database, long long id) {
  std::vector<std::string> texts(kMaxRoots);
  database.sql() << "SELECT der FROM vendor_root WHERE vendor = :id ORDER BY place", use(id),
      into(texts);
  std::vector<Bytes> roots;
  for (const std::string& text : texts) {
    auto root = base64url_decode(text, kMaxRootBytes);
    if (!root) {
      refuse(ErrorCode::kInternal, "the database holds a root that is none");
    }
    roots.push_back(std::move(*root));
  }
  return roots;
}

template <class Value>
std::optional<Vendor> find_vendor(ProviderDatabase& database, const char* column,
                                  const Value& value) {
  long long id = 0;
  long long created = 0;
  Vendor vendor;
  database.sql() << std::string("SELECT id, name, contact, created FROM vendor WHERE ") + column +
                        " = :value",
      use(value), into(id), into(vendor.name), into(vendor.contact), into(created);
  if (!database.sql().got_data()) {
    return std::nullopt;
  }
  vendor.id = id;
  vendor.created = {created};
  vendor.roots = read_roots(database, id);
  return vendor;
}

void check(const Model& model) {
  check_text(model.name, 1, kMaxName, "a model's name");
  check_text(model.type, 1, kMaxName, "a model's type");
  if (model.roots.size() > kMaxRoots || model.reports.empty() || model.reports.size() > kMaxPage) {
    refuse(ErrorCode::kInvalid, "a model has at most 16 roots, and at least one status");
  }
  for (const StatusReport& report : model.reports) {
    check_text(report.reason, 0, kMaxReason, "a reason");
  }
}

json describe(const StatusReport& report) {
  return {{"status", attest::name_of(report.status)},
          {"effective", report.effective.unix_seconds},
          {"reason", report.reason}};
}

Row report_row(const attest::Aaguid& aaguid, std::size_t place, const StatusReport& report) {
  return {aaguid.hex(), std::to_string(place), std::to_string(static_cast<int>(report.status)),
          std::to_string(report.effective.unix_seconds), report.reason};
}

constexpr const char* kReportColumns = "model_report (aaguid, place, status, effective, reason)";

// All reports of models in (after, last], by model and age.
void read_reports(ProviderDatabase& database, const std::string& after,
                  std::vector<Model>& models) {
  if (models.empty()) {
    return;
  }
  const std::string last = models.back().aaguid.hex();
  std::string from = after;
  int place = static_cast<int>(kMaxPage);  // past the last report of the model before
  auto model = models.begin();
  for (;;) {
    std::vector<std::string> ids(kSweep);
    std::vector<int> places(kSweep);
    std::vector<int> statuses(kSweep);
    std::vector<long long> times(kSweep);
    std::vector<std::string> reasons(kSweep);
    database.sql() << "SELECT aaguid, place, status, effective, reason FROM model_report"
                      " WHERE (aaguid > :from OR (aaguid = :same AND place > :place))"
                      " AND aaguid <= :last ORDER BY aaguid, place LIMIT :most",
        use(from), use(from), use(place), use(last), use(kSweep), into(ids), into(places),
        into(statuses), into(times), into(reasons);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      while (model != models.end() && model->aaguid.hex() != ids[i]) {
        ++model;
      }
      if (model == models.end()) {
        break;
      }
      model->reports.push_back({model_status_of(statuses[i]), {times[i]}, reasons[i]});
    }
    if (ids.size() < static_cast<std::size_t>(kSweep)) {
      break;
    }
    from = ids.back();
    place = places.back();
  }
  for (const Model& found : models) {
    if (found.reports.empty()) {
      refuse(ErrorCode::kInternal, "the database holds a model without a status");
    }
  }
}

std::vector<Model> read_models(ProviderDatabase& database, const std::string& after, int most) {
  const std::size_t size = room_for(most);
  std::vector<std::string> ids(size);
  std::vector<long long> vendors(size);
  std::vector<std::string> names(size);
  std::vector<std::string> types(size);
  std::vector<std::string> roots(size);
  database.sql() << "SELECT aaguid, vendor, name, type, roots FROM model WHERE aaguid > :after"
                    " ORDER BY aaguid LIMIT :most",
      use(after), use(most), into(ids), into(vendors), into(names), into(types), into(roots);
  std::vector<Model> models;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    models.push_back({id_of<attest::Aaguid>(ids[i]),
                      vendors[i],
                      names[i],
                      types[i],
                      split_digests(roots[i]),
                      {}});
  }
  read_reports(database, after, models);
  return models;
}

std::optional<Model> find_model(ProviderDatabase& database, const attest::Aaguid& aaguid) {
  const std::string id = aaguid.hex();
  long long vendor = 0;
  Model model{aaguid, 0, {}, {}, {}, {}};
  std::string roots;
  database.sql() << "SELECT vendor, name, type, roots FROM model WHERE aaguid = :id", use(id),
      into(vendor), into(model.name), into(model.type), into(roots);
  if (!database.sql().got_data()) {
    return std::nullopt;
  }
  model.vendor = vendor;
  model.roots = split_digests(roots);
  std::vector<int> statuses(kMaxPage);
  std::vector<long long> times(kMaxPage);
  std::vector<std::string> reasons(kMaxPage);
  database.sql() << "SELECT status, effective, reason FROM model_report WHERE aaguid = :id"
                    " ORDER BY place",
      use(id), into(statuses), into(times), into(reasons);
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    model.reports.push_back({model_status_of(statuses[i]), {times[i]}, reasons[i]});
  }
  if (model.reports.empty()) {
    refuse(ErrorCode::kInternal, "the database holds a model without a status");
  }
  return model;
}

}  // namespace

Result<Vendor> ProviderStore::add_vendor(const Vendor& vendor, const Act& act) {
  Vendor added = vendor;
  auto done = database_->change([&] {
    check_act(act);
    check(vendor);
    const std::uint64_t seq = database_->take_numbers(1);
    if (name_taken(*database_, Vendor{0, vendor.name, {}, {}, {}})) {
      refuse(ErrorCode::kConflict, "there is a vendor called " + vendor.name + " already");
    }
    added.id = database_->take_id("vendor");
    const long long id = added.id;
    const long long created = vendor.created.unix_seconds;
    database_->run("INSERT INTO vendor (id, name, contact, created) VALUES (:i, :n, :c, :t)", id,
                   vendor.name, vendor.contact, created);
    write_roots(*database_, added);
    database_->log(seq, act, "vendor.add", std::to_string(id), describe(added));
  });
  if (!done) {
    return fail(std::move(done.error()));
  }
  return added;
}

Result<void> ProviderStore::change_vendor(const Vendor& vendor, const Act& act) {
  return database_->change([&] {
    check_act(act);
    check(vendor);
    const std::uint64_t seq = database_->take_numbers(1);
    const long long id = vendor.id;
    if (!vendor_exists(*database_, id)) {
      refuse(ErrorCode::kNotFound, "there is no vendor " + std::to_string(id));
    }
    if (name_taken(*database_, vendor)) {
      refuse(ErrorCode::kConflict, "there is another vendor called " + vendor.name);
    }
    database_->run("UPDATE vendor SET name = :n, contact = :c WHERE id = :i", vendor.name,
                   vendor.contact, id);
    database_->run("DELETE FROM vendor_root WHERE vendor = :i", id);
    write_roots(*database_, vendor);
    database_->log(seq, act, "vendor.change", std::to_string(id), describe(vendor));
  });
}

Result<std::vector<Vendor>> ProviderStore::vendors() {
  return database_->moment([&] {
    std::vector<Vendor> all;
    long long after = 0;
    for (;;) {
      std::vector<long long> ids(kMaxPage);
      const int most = static_cast<int>(kMaxPage);
      database_->sql() << "SELECT id FROM vendor WHERE id > :after ORDER BY id LIMIT :most",
          use(after), use(most), into(ids);
      for (const long long id : ids) {
        if (auto found = find_vendor(*database_, "id", id)) {
          all.push_back(std::move(*found));
        }
      }
      if (ids.size() < kMaxPage) {
        return all;
      }
      after = ids.back();
    }
  });
}

Result<std::optional<Vendor>> ProviderStore::vendor(std::int64_t id) {
  const long long number = id;
  return database_->moment([&] { return find_vendor(*database_, "id", number); });
}

Result<std::optional<Vendor>> ProviderStore::vendor_named(std::string_view name) {
  const std::string text(name);
  return database_->moment([&] {
    check_text(text, 0, kMaxName, "a vendor's name");
    return find_vendor(*database_, "name", text);
  });
}

Result<void> ProviderStore::add_model(const Model& model, const Act& act) {
  return database_->change([&] {
    check_act(act);
    check(model);
    const std::uint64_t seq = database_->take_numbers(1);
    if (find_model(*database_, model.aaguid)) {
      refuse(ErrorCode::kConflict,
             "there is a model " + attest::aaguid_text(model.aaguid) + " already");
    }
    const long long vendor = model.vendor;
    if (!vendor_exists(*database_, vendor)) {
      refuse(ErrorCode::kNotFound, "there is no vendor " + std::to_string(vendor));
    }
    const std::string id = model.aaguid.hex();
    const std::string roots = join_digests(model.roots);
    database_->run("INSERT INTO model (aaguid, vendor, name, type, roots) VALUES (:a,:v,:n,:t,:r)",
                   id, vendor, model.name, model.type, roots);
    std::vector<Row> rows;
    for (const StatusReport& report : model.reports) {
      rows.push_back(report_row(model.aaguid, rows.size(), report));
    }
    database_->insert(kReportColumns, 5, rows);
    json detail = describe(model.reports.back());
    detail["vendor"] = vendor;
    detail["name"] = model.name;
    detail["type"] = model.type;
    database_->log(seq, act, "model.add", attest::aaguid_text(model.aaguid), detail.dump());
  });
}

Result<void> ProviderStore::report_model(const attest::Aaguid& aaguid, const StatusReport& report,
                                         const Act& act) {
  return database_->change([&] {
    check_act(act);
    check_text(report.reason, 0, kMaxReason, "a reason");
    const std::uint64_t seq = database_->take_numbers(1);
    const auto model = find_model(*database_, aaguid);
    if (!model) {
      refuse(ErrorCode::kNotFound, "there is no model " + attest::aaguid_text(aaguid));
    }
    if (model->reports.size() >= kMaxPage) {
      refuse(ErrorCode::kInvalid, "this model's status has changed 1000 times: no more");
    }
    database_->insert(kReportColumns, 5, {report_row(aaguid, model->reports.size(), report)});
    database_->log(seq, act, "model.status", attest::aaguid_text(aaguid), describe(report).dump());
  });
}

Result<std::optional<Model>> ProviderStore::model(const attest::Aaguid& aaguid) {
  return database_->moment([&] { return find_model(*database_, aaguid); });
}

Result<std::vector<Model>> ProviderStore::models(const provider::Page& page) {
  return database_->moment([&] { return read_models(*database_, page.after, page_size(page)); });
}

Result<void> ProviderStore::each_model(const std::function<void(const Model&)>& visit) {
  return database_->in_moment([&] {
    std::string after;
    for (;;) {
      const auto models = read_models(*database_, after, static_cast<int>(kMaxPage));
      for (const Model& model : models) {
        visit(model);
      }
      if (models.size() < kMaxPage) {
        return;
      }
      after = models.back().aaguid.hex();
    }
  });
}

}  // namespace latchkey::store
