// How MediaIndex works on its database. Internal to store/media_index and store/media_jobs.
#pragma once

#include "store/media_index.h"

namespace latchkey::store {

template <class F>
auto MediaIndex::with_database(F&& work) -> Result<std::invoke_result_t<F, Database&>> {
  if (find_emptied()) {
    return fail(Error{ErrorCode::kIo, "its folder was emptied"});
  }
  if (db_ == nullptr) {
    auto opened = reopen();
    if (!opened) {
      db_.reset();
      if (opened.error().code != ErrorCode::kIo || !reopen_for_reading()) {
        return fail(opened.error());
      }
    }
  }
  auto done = guarded([&] { return work(*db_); });
  if (!done && (done.error().code == ErrorCode::kIo || done.error().code == ErrorCode::kCorrupt)) {
    db_.reset();
  }
  return done;
}

template <class F>
auto MediaIndex::in_transaction(F&& work) -> Result<std::invoke_result_t<F, Database&>> {
  if (auto ready = make_writable(); !ready) {
    return fail(ready.error());
  }
  return with_database([&](Database& db) {
    db.begin();
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<F, Database&>>) {
        work(db);
        db.commit();
      } else {
        auto value = work(db);
        db.commit();
        return value;
      }
    } catch (...) {
      db.roll_back();
      throw;
    }
  });
}

}  // namespace latchkey::store
