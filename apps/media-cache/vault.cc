#include "media-cache/vault.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace latchkey::mediacache {

namespace {

constexpr std::chrono::seconds kLetGoTime{1};

bool is_damage(const store::Error& error) {
  return error.code == store::ErrorCode::kCorrupt || error.code == store::ErrorCode::kNotFound;
}

}  // namespace

MediaIndex::Space Vault::space(bool for_job) const {
  return {limits_.quota, files_->free_bytes(), limits_.keep_free, for_job};
}

net::Task<Stored<cache::Quota>> Vault::quota() {
  const auto room = space(false);
  auto work = [room](MediaIndex& index) { return index.quota(room); };
  co_return co_await ask(std::move(work));
}

void Vault::let_go() {
  std::erase_if(opened_, [](const auto& entry) { return entry.second->is_gone(); });
}

// The loop does it; where that has ended nobody waits for room.
void Vault::wait_let_go() {
  auto promise = std::make_shared<std::promise<void>>();
  const auto done = promise->get_future();
  boost::asio::post(executor_, [this, promise = std::move(promise)] {
    let_go();
    promise->set_value();
  });
  (void)done.wait_for(kLetGoTime);
}

net::Task<void> Vault::drop(std::uint64_t number) {
  std::erase_if(opened_, [number](const auto& entry) { return entry.first == number; });
  spdlog::warn("object {} is damaged and dropped", number);
  auto work = [number](MediaIndex& index) { return index.drop(number); };
  const auto done = co_await ask(std::move(work));
  if (!done) {
    spdlog::warn("object {}: {}", number, done.error().detail);
  } else if (*done && on_drop_) {
    on_drop_(**done);
  }
}

net::Task<Stored<std::shared_ptr<MediaObject>>> Vault::open(cache::ObjectRecord record) {
  const std::uint64_t number = record.number;
  const auto known =
      std::ranges::find_if(opened_, [number](const auto& entry) { return entry.first == number; });
  if (known != opened_.end()) {
    opened_.splice(opened_.begin(), opened_, known);
    co_return known->second;
  }
  auto work = [files = files_.get(), record] { return files->open_object(record); };
  auto opened = co_await reads_.run(executor_, net::kNoDeadline, std::move(work));
  if (!opened) {
    co_return over();
  }
  if (!*opened) {
    if (is_damage(opened->error())) {
      co_await drop(number);
    }
    co_return fail(opened->error());
  }
  opened_.emplace_front(number, **opened);
  if (opened_.size() > kKeptObjects) {
    opened_.pop_back();
  }
  co_return **opened;
}

net::Task<Stored<Bytes>> Vault::read(std::shared_ptr<MediaObject> object, std::uint64_t number,
                                     wire::ByteRange range) {
  auto work = [object = std::move(object), range]() -> Stored<Bytes> {
    Bytes into(static_cast<std::size_t>(range.length));
    if (auto done = object->read(range.offset, into); !done) {
      return fail(done.error());
    }
    return into;
  };
  auto got = co_await reads_.run(executor_, net::kNoDeadline, std::move(work));
  if (!got) {
    co_return over();
  }
  if (!*got && is_damage(got->error())) {
    co_await drop(number);
  }
  co_return *std::move(got);
}

net::Task<Stored<Draft>> Vault::begin(cache::Partition partition, std::uint64_t size,
                                      bool for_job) {
  let_go();
  const auto room = space(for_job);
  auto reserve = [partition, size, room](MediaIndex& index) {
    return index.reserve(partition, store::MediaFiles::charge(size), std::nullopt, room);
  };
  const auto number = co_await ask(std::move(reserve));
  let_go();
  if (!number) {
    co_return fail(number.error());
  }
  Draft draft{*number, size, nullptr, for_job};
  auto make = [files = files_.get(), n = *number] { return files->make_draft(n); };
  auto made = co_await writes_.run(executor_, net::kNoDeadline, std::move(make));
  if (!made || !*made) {
    const store::Error error = made ? made->error() : over().value();
    co_await give_up(draft);
    co_return fail(error);
  }
  draft.file = std::make_shared<MediaDraft>(std::move(**made));
  co_return draft;
}

net::Task<Stored<void>> Vault::enlarge(cache::Partition partition, Draft& draft,
                                       std::uint64_t size) {
  if (size <= draft.reserved) {
    co_return Stored<void>{};
  }
  let_go();
  const auto room = space(draft.for_job);
  auto reserve = [partition, size, room, n = draft.number](MediaIndex& index) {
    return index.reserve(partition, store::MediaFiles::charge(size), n, room);
  };
  const auto done = co_await ask(std::move(reserve));
  let_go();
  if (!done) {
    co_return fail(done.error());
  }
  draft.reserved = size;
  co_return Stored<void>{};
}

net::Task<Stored<void>> Vault::write(const Draft& draft, Bytes bytes) {
  auto work = [file = draft.file, bytes = std::move(bytes)] { return file->write(bytes); };
  auto done = co_await writes_.run(executor_, net::kNoDeadline, std::move(work));
  if (!done) {
    co_return over();
  }
  co_return *std::move(done);
}

net::Task<Stored<void>> Vault::sync(const Draft& draft) {
  auto work = [file = draft.file] { return file->sync(); };
  auto done = co_await writes_.run(executor_, net::kNoDeadline, std::move(work));
  if (!done) {
    co_return over();
  }
  co_return *std::move(done);
}

net::Task<Stored<store::SealedObject>> Vault::finish(const Draft& draft) {
  auto work = [file = draft.file] { return file->finish(); };
  auto done = co_await writes_.run(executor_, net::kNoDeadline, std::move(work));
  if (!done) {
    co_return over();
  }
  co_return *std::move(done);
}

net::Task<Stored<MediaIndex::Published>> Vault::publish(cache::Partition partition,
                                                        std::string name, Draft draft,
                                                        store::SealedObject sealed,
                                                        cache::ObjectFacts facts, WallTime now,
                                                        std::optional<std::uint64_t> seen) {
  const std::uint64_t number = draft.number;
  auto move = [files = files_.get(), number] { return files->publish(number); };
  auto moved = co_await writes_.run(executor_, net::kNoDeadline, std::move(move));
  if (!moved || !*moved) {
    const store::Error error = moved ? moved->error() : over().value();
    co_await give_up(std::move(draft));
    co_return fail(error);
  }
  auto work = [files = files_.get(), partition, name = std::move(name), number, sealed,
               facts = std::move(facts), now, seen](MediaIndex& index) {
    auto published = index.publish(partition, name, number, sealed, facts, now, seen);
    if (!published) {
      files->remove_object(number);
      index.release(number);
    }
    return published;
  };
  co_return co_await ask(std::move(work));
}

net::Task<void> Vault::give_up(Draft draft) {
  draft.file.reset();
  auto work = [files = files_.get(), n = draft.number](MediaIndex& index) -> Stored<void> {
    files->remove_draft(n);
    index.release(n);
    return {};
  };
  (void)co_await ask(std::move(work));
}

net::Task<Stored<std::vector<cache::JobItem>>> Vault::end_fetch(store::FetchEnded ended,
                                                                Draft draft, WallTime now) {
  if (ended.content) {
    auto move = [files = files_.get(), number = draft.number] { return files->publish(number); };
    auto moved = co_await writes_.run(executor_, net::kNoDeadline, std::move(move));
    if (!moved || !*moved) {
      const store::Error error = moved ? moved->error() : over().value();
      co_await give_up(std::move(draft));
      co_return fail(error);
    }
  }
  auto work = [files = files_.get(), ended = std::move(ended), now](MediaIndex& index) {
    auto done = index.end_fetch(ended, now);
    if (!done && ended.content) {
      files->remove_object(ended.content->number);
      index.release(ended.content->number);
    }
    return done;
  };
  co_return co_await ask(std::move(work));
}

Stored<Draft> Vault::wait_begin(const cache::Partition& partition, std::uint64_t size) {
  wait_let_go();
  auto work = [this, partition, size, room = space(true)]() -> Stored<Draft> {
    const auto number =
        index_->reserve(partition, store::MediaFiles::charge(size), std::nullopt, room);
    if (!number) {
      return fail(number.error());
    }
    auto made = files_->make_draft(*number);
    if (!made) {
      index_->release(*number);
      return fail(made.error());
    }
    return Draft{*number, size, std::make_shared<MediaDraft>(std::move(*made)), true};
  };
  auto done = lookups_.wait_for(std::move(work));
  wait_let_go();
  return done ? *std::move(done) : fail(store::Error{store::ErrorCode::kNoRoom, "going away"});
}

Stored<void> Vault::wait_enlarge(const cache::Partition& partition, Draft& draft,
                                 std::uint64_t size) {
  if (size <= draft.reserved) {
    return {};
  }
  wait_let_go();
  auto work = [this, partition, size, room = space(draft.for_job),
               n = draft.number]() -> Stored<void> {
    const auto done = index_->reserve(partition, store::MediaFiles::charge(size), n, room);
    return done ? Stored<void>{} : Stored<void>(fail(done.error()));
  };
  auto done = lookups_.wait_for(std::move(work));
  wait_let_go();
  if (!done) {
    return fail(store::Error{store::ErrorCode::kNoRoom, "going away"});
  }
  if (*done) {
    draft.reserved = size;
  }
  return *std::move(done);
}

void Vault::wait_give_up(Draft draft) {
  draft.file.reset();
  (void)lookups_.wait_for([this, n = draft.number] {
    files_->remove_draft(n);
    index_->release(n);
    return true;
  });
}

net::Task<Stored<Draft>> Vault::reopen(const store::UploadRecord& upload, std::uint64_t reserved) {
  const auto known =
      std::ranges::find_if(drafts_, [&](const auto& entry) { return entry.first == upload.id; });
  if (known != drafts_.end()) {
    Draft draft = std::move(known->second);
    drafts_.erase(known);
    if (draft.file->size() == upload.offset) {
      co_return draft;
    }
  }
  co_return co_await open_again(upload.number, upload.offset, reserved);
}

net::Task<Stored<Draft>> Vault::open_again(std::uint64_t number, std::uint64_t offset,
                                           std::uint64_t reserved) {
  auto work = [files = files_.get(), number, offset] {
    return files->reopen_draft(number, offset);
  };
  auto opened = co_await writes_.run(executor_, net::kNoDeadline, std::move(work));
  if (!opened) {
    co_return over();
  }
  if (!*opened) {
    co_return fail(opened->error());
  }
  co_return Draft{number, reserved, std::make_shared<MediaDraft>(std::move(**opened))};
}

Stored<void> Vault::wait_note_part(store::PartRecord part) {
  auto work = [this, part = std::move(part)]() -> Stored<void> { return index_->note_part(part); };
  auto done = lookups_.wait_for(std::move(work));
  return done ? *std::move(done) : fail(store::Error{store::ErrorCode::kIo, "going away"});
}

net::Task<Stored<void>> Vault::note_part(Draft draft, store::PartRecord part) {
  part.offset = draft.file->size();
  const auto synced = co_await sync(draft);
  if (!synced) {
    co_return fail(synced.error());
  }
  auto work = [part = std::move(part)](MediaIndex& index) { return index.note_part(part); };
  co_return co_await ask(std::move(work));
}

net::Task<Stored<Draft>> Vault::reopen_part(const store::PartRecord& part) {
  auto opened = co_await open_again(part.number, part.offset, part.whole);
  if (opened) {
    opened->for_job = true;
  }
  co_return opened;
}

void Vault::keep(const store::UploadId& id, Draft draft) {
  drafts_.emplace_front(id, std::move(draft));
  if (drafts_.size() > kKeptDrafts) {
    drafts_.pop_back();
  }
}

void Vault::forget(const store::UploadId& id) {
  std::erase_if(drafts_, [&](const auto& entry) { return entry.first == id; });
}

}  // namespace latchkey::mediacache
