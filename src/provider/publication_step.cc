#include "provider/publication_step.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/encoding.h"

namespace latchkey::provider {

using attest::Change;
using attest::TableKind;

namespace {

constexpr std::size_t kNameBytes = 8;  // of a hash, in a name

template <class Key>
Bytes bytes_of(const Key& key) {
  return Bytes(key.begin(), key.end());
}

std::string short_hex(const Digest256& hash) {
  return hex_encode(ByteSpan(hash).first(kNameBytes));
}

Change origin_change(const RegisteredOrigin& origin) {
  return {bytes_of(attest::origin_key(origin.origin)), false,
          static_cast<std::uint8_t>(origin.status), to_bytes(as_bytes(origin.name))};
}

Change device_change(const SpkiHash& key) {
  return {bytes_of(attest::device_key(key)), false, 0, {}};
}

}  // namespace

std::string content_name(TableKind kind, const Digest256& hash) {
  return std::string(attest::name_of(kind)) + "-" + short_hex(hash) + ".lkt";
}

std::string delta_name(TableKind kind, const attest::Delta& delta) {
  return std::string(attest::name_of(kind)) + "-" + short_hex(delta.from) + "-" +
         short_hex(delta.to) + ".lkd";
}

bool is_published_name(std::string_view name) {
  return name.ends_with(".lkt") || name.ends_with(".lkd") || name.starts_with(".draft-");
}

bool is_published_subject(std::string_view action) {
  return action.starts_with("vendor.") || action.starts_with("model.") ||
         action.starts_with("origin.") || action.starts_with("device.");
}

void sort_by_key(std::vector<Change>& changes) {
  std::sort(changes.begin(), changes.end(),
            [](const Change& a, const Change& b) { return a.key < b.key; });
}

std::vector<Change> on_top(std::vector<Change> older, const std::vector<Change>& newer) {
  std::vector<Change> both;
  both.reserve(older.size() + newer.size());
  auto left = older.begin();
  auto right = newer.begin();
  while (left != older.end() || right != newer.end()) {
    if (right == newer.end() || (left != older.end() && left->key < right->key)) {
      both.push_back(std::move(*left++));
      continue;
    }
    if (left != older.end() && left->key == right->key) {
      ++left;
    }
    both.push_back(*right++);
  }
  return both;
}

std::optional<std::vector<Change>> difference(Shelf& shelf, const attest::TableFile& from,
                                              const attest::TableFile& to, TableKind kind) {
  const auto old_file = shelf.read(from.file);
  const auto new_file = shelf.read(to.file);
  if (!old_file || !*old_file || !new_file || !*new_file) {
    return std::nullopt;
  }
  const auto before = attest::Table::open((*old_file)->bytes, kind);
  const auto after = attest::Table::open((*new_file)->bytes, kind);
  if (!before || !after || !attest::is_named(from, (*old_file)->bytes)) {
    return std::nullopt;
  }
  std::vector<Change> changes;
  for (std::uint64_t i = 0; i < after->count(); ++i) {
    const attest::Record record = after->at(i);
    const auto old = before->find(record.key);
    if (!old || old->status != record.status || to_bytes(old->blob) != to_bytes(record.blob)) {
      changes.push_back({to_bytes(record.key), false, record.status, to_bytes(record.blob)});
    }
  }
  for (std::uint64_t i = 0; i < before->count(); ++i) {
    const attest::Record record = before->at(i);
    if (!after->find(record.key)) {
      changes.push_back({to_bytes(record.key), true, 0, {}});
    }
  }
  sort_by_key(changes);
  return changes;
}

// --- collecting: all of it runs inside at_one_moment() ---

Result<void> Publisher::collect(Step& step) {
  const auto seq = records_.last_seq();
  if (!seq) {
    return fail(seq.error());
  }
  step.seq = *seq;
  bool complete = step.before.has_value();
  for (const TableKind kind : {TableKind::kOrigins, TableKind::kDevices}) {
    if (!complete) {
      break;
    }
    const attest::TableFile& named = step.before->table(kind);
    const auto held = shelf_.read(named.file);
    if (!held) {
      return fail(held.error());
    }
    // To build on a table that is not what was signed would sign the damage.
    complete = *held && attest::is_named(named, (*held)->bytes) &&
               attest::Table::open((*held)->bytes, kind).has_value();
    if (complete) {
      step.table(kind).base = **held;
    }
  }
  if (step.before) {
    step.metadata.entries = step.before->entries;
  }
  return complete ? collect_changes(step, step.before_seq) : collect_all(step);
}

Result<void> Publisher::collect_changes(Step& step, std::uint64_t since) {
  const auto entries = records_.changed_since(since);
  if (!entries) {
    return fail(entries.error());
  }
  // Two subjects may share a key only in theory; the last one named would win.
  std::map<Bytes, Change> origins;
  std::map<Bytes, Change> devices;
  bool models = false;
  for (const AuditEntry& entry : *entries) {
    if (entry.action.starts_with("vendor.") || entry.action.starts_with("model.")) {
      models = true;
      ++step.subjects;
      if (const auto aaguid = attest::parse_aaguid(entry.subject)) {
        step.changed_models.insert(step.changed_models.begin(), *aaguid);
      }
    } else if (entry.action.starts_with("origin.")) {
      const auto origin = Origin::parse(entry.subject);
      const auto found =
          origin ? records_.origin(*origin) : Result<std::optional<RegisteredOrigin>>(std::nullopt);
      if (!found) {
        return fail(found.error());
      }
      if (origin) {
        Bytes key = bytes_of(attest::origin_key(*origin));
        origins[key] = *found ? origin_change(**found) : Change{key, true, 0, {}};
        ++step.subjects;
      }
    } else if (entry.action.starts_with("device.")) {
      const auto key = SpkiHash::parse(entry.subject);
      const auto found =
          key ? records_.device(*key) : Result<std::optional<RevokedDevice>>(std::nullopt);
      if (!found) {
        return fail(found.error());
      }
      if (key) {
        Bytes short_key = bytes_of(attest::device_key(*key));
        devices[short_key] = *found ? device_change(*key) : Change{short_key, true, 0, {}};
        ++step.subjects;
      }
    }
  }
  for (auto& [key, change] : origins) {
    step.table(TableKind::kOrigins).changes.push_back(std::move(change));
  }
  for (auto& [key, change] : devices) {
    step.table(TableKind::kDevices).changes.push_back(std::move(change));
  }
  if (models) {
    return collect_models(step);
  }
  // Models and roots stay as they are; should their files have gone, they are made anew.
  for (const TableKind kind : {TableKind::kModels, TableKind::kRoots}) {
    const auto held = shelf_.read(step.before->table(kind).file);
    if (!held) {
      return fail(held.error());
    }
    if (!*held || !attest::is_named(step.before->table(kind), (*held)->bytes)) {
      return collect_models(step);
    }
    step.table(kind).base = **held;
  }
  return {};
}

namespace {

// The newest changes first: what a reader who gets no more than the page must know. What changed in
// this publication leads, whatever date its report bears; then what led before, then by date.
void order_news(std::vector<attest::ModelChange>& news, const std::vector<attest::Aaguid>& changed,
                const std::vector<attest::ModelChange>& before) {
  std::map<attest::Aaguid, std::size_t> place;
  for (const attest::Aaguid& aaguid : changed) {
    place.try_emplace(aaguid, place.size());
  }
  for (const attest::ModelChange& change : before) {
    place.try_emplace(change.aaguid, place.size());
  }
  const auto rank = [&](const attest::ModelChange& change) {
    const auto found = place.find(change.aaguid);
    return found == place.end() ? place.size() : found->second;
  };
  std::stable_sort(news.begin(), news.end(),
                   [&](const attest::ModelChange& a, const attest::ModelChange& b) {
                     return std::pair(rank(a), b.effective) < std::pair(rank(b), a.effective);
                   });
  if (news.size() > attest::kMaxEntries) {
    news.erase(news.begin() + attest::kMaxEntries, news.end());
  }
}

}  // namespace

// Models and their roots are few: whole, each time one of them changed.
Result<void> Publisher::collect_models(Step& step) {
  const auto vendors = records_.vendors();
  if (!vendors) {
    return fail(vendors.error());
  }
  std::map<std::int64_t, std::pair<std::string, std::vector<Digest256>>> makers;
  std::map<Bytes, Change> roots;
  for (const Vendor& vendor : *vendors) {
    auto& maker = makers[vendor.id];
    maker.first = vendor.name;
    for (const Bytes& root : vendor.roots) {
      const Digest256 hash = crypto::sha256(root);
      maker.second.push_back(hash);
      Bytes key(hash.begin(), hash.begin() + 16);
      roots[key] = {key, false, 0, root};
    }
  }
  Collected& models = step.table(TableKind::kModels);
  models = {true, {}, {}};
  std::vector<attest::ModelChange> news;
  const auto visited = records_.each_model([&](const Model& model) {
    const auto& maker = makers[model.vendor];
    std::vector<Digest256> anchors = model.roots.empty() ? maker.second : model.roots;
    anchors.resize(std::min(anchors.size(), attest::kMaxModelRoots));
    models.changes.push_back(
        {to_bytes(model.aaguid.span()), false, static_cast<std::uint8_t>(model.status()),
         attest::encode_model({maker.first, model.name, model.type, std::move(anchors)})});
    news.push_back({model.aaguid, model.status(), maker.first + " " + model.name,
                    model.reports.back().effective});
  });
  if (!visited) {
    return visited;
  }
  sort_by_key(models.changes);
  Collected& anchors = step.table(TableKind::kRoots);
  anchors = {true, {}, {}};
  for (auto& [key, change] : roots) {
    anchors.changes.push_back(std::move(change));
  }
  order_news(news, step.changed_models, step.metadata.entries);
  step.metadata.entries = std::move(news);
  return {};
}

Result<void> Publisher::collect_all(Step& step) {
  Collected& origins = step.table(TableKind::kOrigins);
  Collected& devices = step.table(TableKind::kDevices);
  origins = {true, {}, {}};
  devices = {true, {}, {}};
  auto visited = records_.each_origin(
      [&](const Origin& origin, attest::OriginStatus status, const std::string& name) {
        origins.changes.push_back({bytes_of(attest::origin_key(origin)), false,
                                   static_cast<std::uint8_t>(status), to_bytes(as_bytes(name))});
      });
  if (visited) {
    visited = records_.each_device(
        [&](const SpkiHash& key) { devices.changes.push_back(device_change(key)); });
  }
  if (!visited) {
    return visited;
  }
  step.subjects = origins.changes.size() + devices.changes.size();
  for (Collected* table : {&origins, &devices}) {
    sort_by_key(table->changes);
    // Ten bytes of a hash may meet in a list of very many; once is enough.
    const auto twice = std::unique(table->changes.begin(), table->changes.end(),
                                   [](const Change& a, const Change& b) { return a.key == b.key; });
    table->changes.erase(twice, table->changes.end());
  }
  return collect_models(step);
}

}  // namespace latchkey::provider
