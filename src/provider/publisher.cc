#include "provider/publisher.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/encoding.h"
#include "provider/publication_step.h"

namespace latchkey::provider {

using attest::Change;
using attest::Metadata;
using attest::TableKind;

namespace {

tl::unexpected<Error> internal(std::string detail) {
  return fail(Error{ErrorCode::kInternal, std::move(detail)});
}

Result<void> put(Shelf& shelf, std::string_view name, ByteSpan bytes) {
  auto draft = shelf.draft();
  if (!draft) {
    return fail(draft.error());
  }
  if (!(*draft)->write(bytes)) {
    return internal("a file could not be written: is the disk full?");
  }
  return (*draft)->keep_as(name);
}

std::set<std::string> names_in(const Metadata& metadata) {
  std::set<std::string> names{std::string(attest::kMetadataFile)};
  for (const auto& table : metadata.tables) {
    names.insert(table.file);
    for (const auto& delta : table.deltas) {
      names.insert(delta.file);
    }
  }
  return names;
}

}  // namespace

Result<Published> Publisher::publish(const SigningKey& key, std::string_view holder, WallTime now,
                                     bool force) {
  const auto leased = records_.take_lease(holder, now, settings_.lease);
  if (!leased) {
    return fail(leased.error());
  }
  Published outcome;
  if (!*leased) {
    const auto other = records_.lease();
    outcome.why_not = "another instance publishes" +
                      (other && *other ? " (" + (*other)->holder + ")" : std::string());
    return outcome;
  }
  const auto earlier = records_.publications(1);
  if (!earlier) {
    return fail(earlier.error());
  }
  const auto newest =
      earlier->empty() ? std::nullopt : std::optional<Publication>(earlier->front());
  if (auto repaired = repair(newest, outcome); !repaired) {
    return fail(repaired.error());
  }
  const auto shown = page_on_shelf();
  const auto changed = has_changed(newest);
  if (!shown || !changed) {
    return fail(shown ? changed.error() : shown.error());
  }
  const std::uint64_t shown_no = *shown ? (*shown)->no : 0;
  outcome.no = shown_no;
  if (newest && newest->no == shown_no && !*changed && !force &&
      attest::is_signed_with(newest->jws, key.chain.front()) &&
      now < newest->when + settings_.validity / 2) {
    outcome.why_not = "nothing has changed";
    return outcome;
  }
  // Records that were put back from a backup must not make the number go back with them.
  Step step(std::max(newest ? newest->no : 0, shown_no) + 1, now);
  step.metadata.name = settings_.name;
  step.metadata.next_update =
      *attest::parse_date(attest::date_text(now + settings_.validity)) + seconds(86400);
  if (newest) {
    if (auto before = attest::peek_metadata(newest->jws)) {
      step.before = *std::move(before);
      step.before_seq = newest->seq;
    }
  }
  Result<void> collected = records_.at_one_moment([&] { return collect(step); });
  if (collected) {
    collected = write_tables(step, outcome);
  }
  auto jws = collected ? sign(step, key) : Result<std::string>(fail(collected.error()));
  if (!jws) {
    return fail(jws.error());
  }
  if (auto added = records_.add_publication({step.metadata.no, step.seq, now, *jws}, holder);
      !added) {
    return fail(added.error());
  }
  if (auto shelved = put_page(*jws, step.metadata.no); !shelved) {
    return fail(shelved.error());
  }
  outcome.done = true;
  outcome.no = step.metadata.no;
  outcome.changes = step.subjects;
  if (auto cleaned = clean(step.metadata, now); !cleaned) {
    return fail(cleaned.error());
  }
  return outcome;
}

// Tokens and publications are in the log as well, and are nobody's business.
Result<bool> Publisher::has_changed(const std::optional<Publication>& newest) {
  if (!newest) {
    return true;
  }
  const auto entries = records_.changed_since(newest->seq);
  if (!entries) {
    return fail(entries.error());
  }
  return std::any_of(entries->begin(), entries->end(),
                     [](const AuditEntry& entry) { return is_published_subject(entry.action); });
}

// Between "in the records" and "on the shelf" a crash leaves a page in the records only.
Result<void> Publisher::repair(const std::optional<Publication>& newest, Published& outcome) {
  const auto shown = page_on_shelf();
  if (!shown) {
    return fail(shown.error());
  }
  if (!newest || (*shown && (*shown)->no >= newest->no)) {
    return {};
  }
  const auto metadata = attest::peek_metadata(newest->jws);
  if (!metadata) {
    return {};  // a new one with a higher number takes its place
  }
  for (const std::string& name : names_in(*metadata)) {
    if (name == attest::kMetadataFile) {
      continue;
    }
    const auto held = shelf_.read(name);
    if (!held) {
      return fail(held.error());
    }
    if (!*held) {
      return {};
    }
  }
  outcome.repaired = true;
  return put_page(newest->jws, newest->no);
}

Result<std::optional<Metadata>> Publisher::page_on_shelf() {
  const auto held = shelf_.read(attest::kMetadataFile);
  if (!held) {
    return fail(held.error());
  }
  if (!*held) {
    return std::optional<Metadata>();
  }
  auto metadata = attest::peek_metadata(as_text((*held)->bytes));
  if (!metadata) {
    return std::optional<Metadata>();  // not ours, or damaged: replaced
  }
  return std::optional(*std::move(metadata));
}

Result<void> Publisher::put_page(const std::string& jws, std::uint64_t no) {
  // One that slept between looking and replacing would put its lower number over a higher one.
  const auto locked = shelf_.lock();
  if (!locked) {
    return fail(locked.error());
  }
  const auto shown = page_on_shelf();
  if (!shown) {
    return fail(shown.error());
  }
  if (*shown && (*shown)->no > no) {
    return fail(Error{ErrorCode::kConflict, "a newer page is there already"});
  }
  // What the page before names and this one does not is kept for its readers from now on, not from
  // when it was made.
  const auto next = attest::peek_metadata(jws);
  if (*shown && next) {
    const auto kept = names_in(*next);
    for (const std::string& name : names_in(**shown)) {
      if (!kept.contains(name)) {
        if (auto touched = shelf_.touch(name); !touched) {
          return touched;
        }
      }
    }
  }
  return put(shelf_, attest::kMetadataFile, as_bytes(jws));
}

// --- what is in it ---

Result<void> Publisher::write_tables(Step& step, Published& outcome) {
  for (std::size_t i = 0; i < attest::kTableKinds; ++i) {
    if (auto written = write_one(step, static_cast<TableKind>(i + 1), outcome); !written) {
      return written;
    }
  }
  return {};
}

Result<void> Publisher::write_one(Step& step, TableKind kind, Published& outcome) {
  attest::TableFile& named = step.metadata.table(kind);
  Collected& collected = step.table(kind);
  const attest::Table base = collected.whole ? attest::Table::empty(kind)
                                             : *attest::Table::open(collected.base.bytes, kind);
  if (!collected.whole && collected.changes.empty()) {
    named = step.before->table(kind);
    return {};
  }
  auto draft = shelf_.draft();
  if (!draft) {
    return fail(draft.error());
  }
  const auto written = attest::write_table(base, collected.changes, **draft);
  if (!written) {
    return internal(std::string(attest::name_of(kind)) + ": " + written.error().detail);
  }
  if (step.before && written->sha256 == step.before->table(kind).sha256) {
    const auto there = shelf_.read(step.before->table(kind).file);
    if (there && *there) {
      named = step.before->table(kind);  // changed back, or changed in nothing that is published
      return {};
    }
  }
  named = {content_name(kind, written->sha256), written->sha256, written->size, written->count, {}};
  if (auto kept = (*draft)->keep_as(named.file); !kept) {
    return kept;
  }
  outcome.bytes += written->size;
  return write_deltas(step, kind, outcome);
}

// From the version before by what changed now; from each version before that by the delta that led
// from it to the one before, and what changed now on top.
Result<void> Publisher::write_deltas(Step& step, TableKind kind, Published& outcome) {
  if (!step.before || step.before->table(kind).file.empty()) {
    return {};
  }
  attest::TableFile& named = step.metadata.table(kind);
  const attest::TableFile& before = step.before->table(kind);
  const Collected& collected = step.table(kind);
  std::vector<attest::Delta> deltas;
  if (!collected.whole) {
    deltas.push_back({kind, before.sha256, named.sha256, collected.changes});
  } else if (auto changes = difference(shelf_, before, named, kind)) {
    deltas.push_back({kind, before.sha256, named.sha256, *std::move(changes)});
  }
  for (const attest::DeltaFile& older : before.deltas) {
    if (deltas.empty() || deltas.size() >= settings_.bases || older.from == named.sha256) {
      continue;
    }
    const auto held = shelf_.read(older.file);
    auto read = held && *held ? attest::decode_delta((*held)->bytes)
                              : attest::Result<attest::Delta>(fail(attest::Error{}));
    if (read && read->from == older.from) {
      deltas.push_back({kind, older.from, named.sha256,
                        on_top(std::move(read->changes), deltas.front().changes)});
    }
  }
  for (const attest::Delta& delta : deltas) {
    const Bytes bytes = attest::encode_delta(delta);
    if (bytes.size() > named.size / 2 || bytes.size() > attest::kMaxDeltaBytes) {
      continue;  // the whole table is as good
    }
    const std::string file = delta_name(kind, delta);
    if (auto kept = put(shelf_, file, bytes); !kept) {
      return kept;
    }
    named.deltas.push_back({delta.from, file, crypto::sha256(bytes), bytes.size()});
    outcome.bytes += bytes.size();
  }
  return {};
}

Result<std::string> Publisher::sign(Step& step, const SigningKey& key) {
  auto& entries = step.metadata.entries;
  while (true) {
    const auto payload = attest::encode_metadata(step.metadata);
    if (payload) {
      return attest::sign_metadata(*payload, key.key, key.chain);
    }
    if (entries.empty()) {
      return internal(payload.error().detail);
    }
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(entries.size() / 2),
                  entries.end());  // the oldest half; the tables have them all
  }
}

Result<void> Publisher::clean(const Metadata& current, WallTime now) {
  const auto files = shelf_.list();
  if (!files) {
    return fail(files.error());
  }
  const auto named = names_in(current);
  for (const Shelf::Entry& file : *files) {
    if (is_published_name(file.name) && !named.contains(file.name) &&
        file.modified + settings_.retention < now) {
      if (auto removed = shelf_.remove(file.name); !removed) {
        return removed;
      }
    }
  }
  return {};
}

}  // namespace latchkey::provider
