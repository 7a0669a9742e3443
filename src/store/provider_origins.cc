// Web origins and revoked devices.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "store/provider_store.h"
#include "store/provider_values.h"

namespace latchkey::store {
namespace {

using nlohmann::json;
using provider::Act;
using provider::ErrorCode;
using provider::RegisteredOrigin;
using provider::Result;
using provider::RevokedDevice;
using soci::into;
using soci::use;

constexpr std::size_t kMaxBatch = 100000;

void check(const RegisteredOrigin& origin) {
  check_text(origin.name, 0, kMaxName, "a display name");
  check_text(origin.icon, 0, kMaxIcon, "an icon's address");
  check_text(origin.contact, 0, kMaxContact, "a contact");
  check_text(origin.reason, 0, kMaxReason, "a reason");
}

json describe(const RegisteredOrigin& origin) {
  return {{"name", origin.name},
          {"icon", origin.icon},
          {"contact", origin.contact},
          {"status", attest::name_of(origin.status)}};
}

std::optional<RegisteredOrigin> find_origin(ProviderDatabase& database, const Origin& origin) {
  RegisteredOrigin found{origin, {}, {}, {}, {}, {}, {}, {}};
  int status = 0;
  long long since = 0;
  long long checked = 0;
  database.sql() << "SELECT name, icon, contact, status, reason, since, checked FROM origin"
                    " WHERE origin = :origin",
      use(origin.text()), into(found.name), into(found.icon), into(found.contact), into(status),
      into(found.reason), into(since), into(checked);
  if (!database.sql().got_data()) {
    return std::nullopt;
  }
  found.status = origin_status_of(status);
  found.since = {since};
  found.checked = {checked};
  return found;
}

void need_origin(ProviderDatabase& database, const Origin& origin) {
  if (!find_origin(database, origin)) {
    refuse(ErrorCode::kNotFound, origin.text() + " is not registered");
  }
}

std::vector<RegisteredOrigin> read_origins(ProviderDatabase& database, const std::string& after,
                                           int most) {
  const std::size_t size = room_for(most);
  std::vector<std::string> origins(size);
  std::vector<std::string> names(size);
  std::vector<std::string> icons(size);
  std::vector<std::string> contacts(size);
  std::vector<int> statuses(size);
  std::vector<std::string> reasons(size);
  std::vector<long long> since(size);
  std::vector<long long> checked(size);
  database.sql() << "SELECT origin, name, icon, contact, status, reason, since, checked"
                    " FROM origin WHERE origin > :after ORDER BY origin LIMIT :most",
      use(after), use(most), into(origins), into(names), into(icons), into(contacts),
      into(statuses), into(reasons), into(since), into(checked);
  std::vector<RegisteredOrigin> page;
  for (std::size_t i = 0; i < origins.size(); ++i) {
    page.push_back({origin_of(origins[i]),
                    names[i],
                    icons[i],
                    contacts[i],
                    origin_status_of(statuses[i]),
                    reasons[i],
                    {since[i]},
                    {checked[i]}});
  }
  return page;
}

std::string describe(const RevokedDevice& device) {
  return json{{"reason", device.reason}, {"since", device.since.unix_seconds}}.dump();
}

// Those of `keys`, which are in order, that are revoked.
std::unordered_set<std::string> known_among(ProviderDatabase& database,
                                            const std::vector<std::string>& keys) {
  constexpr std::size_t kAtOnce = 250;
  std::unordered_set<std::string> known;
  for (std::size_t at = 0; at < keys.size(); at += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, keys.size() - at);
    std::vector<std::string> found(room_for(static_cast<int>(count)));
    std::string marks;
    soci::statement statement(database.sql());
    for (std::size_t i = 0; i < count; ++i) {
      marks += (i == 0 ? ":k" : ", :k") + std::to_string(i);
      statement.exchange(use(keys[at + i]));
    }
    statement.exchange(into(found));
    statement.alloc();
    statement.prepare("SELECT spki FROM device WHERE spki IN (" + marks + ")",
                      soci::details::st_one_time_query);
    statement.define_and_bind();
    statement.execute(true);
    known.insert(found.begin(), found.end());
  }
  return known;
}

// Each key once, in order, so that two imports take rows in the same order.
std::vector<const RevokedDevice*> in_order(const std::vector<RevokedDevice>& devices) {
  std::vector<const RevokedDevice*> sorted;
  for (const RevokedDevice& device : devices) {
    check_text(device.reason, 0, kMaxReason, "a reason");
    sorted.push_back(&device);
  }
  const auto less = [](const auto* a, const auto* b) { return a->key < b->key; };
  const auto same = [](const auto* a, const auto* b) { return a->key == b->key; };
  std::stable_sort(sorted.begin(), sorted.end(), less);
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same), sorted.end());
  return sorted;
}

// Those that were not revoked yet; gives their number.
std::size_t add_devices(ProviderDatabase& database, const std::vector<RevokedDevice>& devices,
                        const Act& act) {
  database.take_numbers(0);  // the turn to write, before anything is read
  const auto sorted = in_order(devices);
  std::vector<std::string> keys;
  for (const RevokedDevice* device : sorted) {
    keys.push_back(device->key.hex());
  }
  const auto known = known_among(database, keys);
  std::vector<Row> rows;
  std::vector<ProviderDatabase::Line> lines;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (!known.contains(keys[i])) {
      rows.push_back({keys[i], sorted[i]->reason, std::to_string(sorted[i]->since.unix_seconds)});
      lines.push_back({keys[i], describe(*sorted[i])});
    }
  }
  if (!rows.empty()) {
    const std::uint64_t first = database.take_numbers(rows.size());
    database.insert("device (spki, reason, since)", 3, rows);
    database.log_all(first, act, "device.revoke", lines);
  }
  return rows.size();
}

}  // namespace

Result<void> ProviderStore::add_origin(const RegisteredOrigin& origin, const Act& act) {
  return database_->change([&] {
    check_act(act);
    check(origin);
    const std::uint64_t seq = database_->take_numbers(1);
    if (find_origin(*database_, origin.origin)) {
      refuse(ErrorCode::kConflict, origin.origin.text() + " is registered already");
    }
    database_->insert(
        "origin (origin, name, icon, contact, status, reason, since, checked)", 8,
        {{origin.origin.text(), origin.name, origin.icon, origin.contact,
          std::to_string(static_cast<int>(origin.status)), origin.reason,
          std::to_string(origin.since.unix_seconds), std::to_string(origin.checked.unix_seconds)}});
    database_->log(seq, act, "origin.add", origin.origin.text(), describe(origin).dump());
  });
}

Result<void> ProviderStore::update_origin(const RegisteredOrigin& origin, const Act& act) {
  return database_->change([&] {
    check_act(act);
    check(origin);
    const std::uint64_t seq = database_->take_numbers(1);
    need_origin(*database_, origin.origin);
    const long long checked = origin.checked.unix_seconds;
    database_->run(
        "UPDATE origin SET name = :n, icon = :i, contact = :c, checked = :t WHERE origin = :o",
        origin.name, origin.icon, origin.contact, checked, origin.origin.text());
    json detail = describe(origin);
    detail.erase("status");  // is not changed by this
    database_->log(seq, act, "origin.update", origin.origin.text(), detail.dump());
  });
}

Result<void> ProviderStore::set_origin_status(const Origin& origin, attest::OriginStatus status,
                                              const Act& act) {
  return database_->change([&] {
    check_act(act);
    const std::uint64_t seq = database_->take_numbers(1);
    need_origin(*database_, origin);
    const int number = static_cast<int>(status);
    const long long since = act.when.unix_seconds;
    database_->run("UPDATE origin SET status = :s, reason = :r, since = :t WHERE origin = :o",
                   number, act.why, since, origin.text());
    database_->log(seq, act, "origin.status", origin.text(),
                   json{{"status", attest::name_of(status)}}.dump());
  });
}

Result<std::optional<RegisteredOrigin>> ProviderStore::origin(const Origin& origin) {
  return database_->read([&] { return find_origin(*database_, origin); });
}

Result<std::vector<RegisteredOrigin>> ProviderStore::origins(const provider::Page& page) {
  return database_->read([&] { return read_origins(*database_, page.after, page_size(page)); });
}

Result<void> ProviderStore::each_origin(
    const std::function<void(const Origin&, attest::OriginStatus, const std::string&)>& visit) {
  return database_->in_moment([&] {
    std::string after;
    for (;;) {
      std::vector<std::string> origins(kSweep);
      std::vector<int> statuses(kSweep);
      std::vector<std::string> names(kSweep);
      database_->sql() << "SELECT origin, status, name FROM origin WHERE origin > :after"
                          " ORDER BY origin LIMIT :most",
          use(after), use(kSweep), into(origins), into(statuses), into(names);
      for (std::size_t i = 0; i < origins.size(); ++i) {
        visit(origin_of(origins[i]), origin_status_of(statuses[i]), names[i]);
      }
      if (origins.size() < static_cast<std::size_t>(kSweep)) {
        return;
      }
      after = origins.back();
    }
  });
}

Result<void> ProviderStore::revoke_device(const RevokedDevice& device, const Act& act) {
  return database_->change([&] {
    check_act(act);
    if (add_devices(*database_, {device}, act) == 0) {
      refuse(ErrorCode::kConflict, "the key " + device.key.hex() + " is revoked already");
    }
  });
}

Result<std::size_t> ProviderStore::revoke_devices(const std::vector<RevokedDevice>& devices,
                                                  const Act& act) {
  std::size_t added = 0;
  auto done = database_->change([&] {
    check_act(act);
    if (devices.size() > kMaxBatch) {
      refuse(ErrorCode::kInvalid, "at most 100000 keys at once");
    }
    added = add_devices(*database_, devices, act);
  });
  if (!done) {
    return fail(std::move(done.error()));
  }
  return added;
}

Result<void> ProviderStore::restore_device(const SpkiHash& key, const Act& act) {
  const std::string hex = key.hex();
  return database_->change([&] {
    check_act(act);
    const std::uint64_t seq = database_->take_numbers(1);
    if (database_->run("DELETE FROM device WHERE spki = :k", hex) == 0) {
      refuse(ErrorCode::kNotFound, "the key " + hex + " is not revoked");
    }
    database_->log(seq, act, "device.restore", hex, "{}");
  });
}

Result<std::optional<RevokedDevice>> ProviderStore::device(const SpkiHash& key) {
  const std::string hex = key.hex();
  return database_->read([&]() -> std::optional<RevokedDevice> {
    RevokedDevice found{key, {}, {}};
    long long since = 0;
    database_->sql() << "SELECT reason, since FROM device WHERE spki = :k", use(hex),
        into(found.reason), into(since);
    if (!database_->sql().got_data()) {
      return std::nullopt;
    }
    found.since = {since};
    return found;
  });
}

Result<std::vector<RevokedDevice>> ProviderStore::devices(const provider::Page& page) {
  return database_->read([&] {
    const int most = page_size(page);
    std::vector<std::string> keys(room_for(most));
    std::vector<std::string> reasons(room_for(most));
    std::vector<long long> since(room_for(most));
    database_->sql() << "SELECT spki, reason, since FROM device WHERE spki > :after"
                        " ORDER BY spki LIMIT :most",
        use(page.after), use(most), into(keys), into(reasons), into(since);
    std::vector<RevokedDevice> found;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      found.push_back({id_of<SpkiHash>(keys[i]), reasons[i], {since[i]}});
    }
    return found;
  });
}

Result<void> ProviderStore::each_device(const std::function<void(const SpkiHash&)>& visit) {
  return database_->in_moment([&] {
    std::string after;
    for (;;) {
      std::vector<std::string> keys(kSweep);
      database_->sql() << "SELECT spki FROM device WHERE spki > :after ORDER BY spki LIMIT :most",
          use(after), use(kSweep), into(keys);
      for (const std::string& key : keys) {
        visit(id_of<SpkiHash>(key));
      }
      if (keys.size() < static_cast<std::size_t>(kSweep)) {
        return;
      }
      after = keys.back();
    }
  });
}

}  // namespace latchkey::store
