#include <algorithm>

#include "attest/columns.h"
#include "attest/table.h"
#include "crypto/hash.h"

namespace latchkey::attest {
namespace {

// Collects small writes, and hashes what goes out.
class Output {
 public:
  explicit Output(Sink& sink) : sink_(sink) { buffer_.reserve(kBuffer); }

  void put(ByteSpan bytes) {
    if (buffer_.size() + bytes.size() > kBuffer) {
      flush();
    }
    if (bytes.size() > kBuffer) {
      send(bytes);
    } else {
      append(buffer_, bytes);
    }
  }
  void put_number(std::uint64_t value, std::size_t size) {
    if (buffer_.size() + size > kBuffer) {
      flush();
    }
    append_big_endian(buffer_, value, size);
  }
  void flush() {
    send(buffer_);
    buffer_.clear();
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::uint64_t size() const { return size_ + buffer_.size(); }
  Digest256 finish() {
    flush();
    return hash_.finish();
  }

 private:
  static constexpr std::size_t kBuffer = 1 << 16;
  void send(ByteSpan bytes) {
    if (ok_ && !bytes.empty()) {
      hash_.update(bytes);
      size_ += bytes.size();
      ok_ = sink_.write(bytes);
    }
  }
  Sink& sink_;
  crypto::Sha256 hash_;
  Bytes buffer_;
  std::uint64_t size_ = 0;
  bool ok_ = true;
};

}  // namespace

// What the new table is made of, in order: runs of the old one, and new records between them. Gone
// through once for each column, so that nothing is kept.
class Merge {
 public:
  Merge(const Table& base, std::span<const Change> changes) : base_(base), changes_(changes) {
    for (std::size_t i = 0; i < changes.size(); ++i) {
      LATCHKEY_CHECK(changes[i].key.size() == base.shape_.key_size);
      LATCHKEY_CHECK(changes[i].blob.size() <= (base.shape_.has_blobs ? kMaxBlob : 0));
      LATCHKEY_CHECK(i == 0 || changes[i - 1].key < changes[i].key);
    }
  }

  // run(begin, end) for records of the base, put(change) for new ones.
  template <class Run, class Put>
  void each(const Run& run, const Put& put) const {
    std::uint64_t done = 0;
    for (const Change& change : changes_) {
      const std::uint64_t index = base_.lower_bound(change.key);
      if (index > done) {
        run(done, index);
      }
      const bool there = index < base_.count_ && std::equal(change.key.begin(), change.key.end(),
                                                            base_.key_at(index).begin());
      done = index + (there ? 1 : 0);
      if (!change.removes) {
        put(change);
      }
    }
    if (done < base_.count_) {
      run(done, base_.count_);
    }
  }

  Result<Written> write(Sink& sink) const {
    std::uint64_t count = 0;
    std::uint64_t blob_bytes = 0;
    bool sound = true;
    each(
        [&](std::uint64_t begin, std::uint64_t end) {
          count += end - begin;
          sound = sound && base_.offset_at(begin) <= base_.offset_at(end) &&
                  base_.offset_at(end) <= base_.blobs_.size();
          blob_bytes += base_.offset_at(end) - base_.offset_at(begin);
        },
        [&](const Change& change) {
          ++count;
          blob_bytes += change.blob.size();
        });
    if (!sound) {
      return fail(Error{ErrorCode::kMalformed, "the table to start from is damaged"});
    }
    if (count > kMaxTableCount || blob_bytes > kMaxBlobBytes) {
      return fail(Error{ErrorCode::kTooLarge, "the table would be too large"});
    }
    Output out(sink);
    out.put(table_header(base_.kind_, count, blob_bytes));
    write_columns(out, layout_of(base_.shape_, count, blob_bytes));
    const Digest256 hash = out.finish();
    if (!out.ok()) {
      return fail(Error{ErrorCode::kInternal, "the table could not be written"});
    }
    return Written{out.size(), count, hash};
  }

 private:
  void write_columns(Output& out, const Layout& at) const {
    const std::size_t key_size = base_.shape_.key_size;
    each(
        [&](std::uint64_t begin, std::uint64_t end) {
          out.put(base_.keys_.subspan(begin * key_size, (end - begin) * key_size));
        },
        [&](const Change& change) { out.put(change.key); });
    if (base_.shape_.has_status) {
      each([&](std::uint64_t begin,
               std::uint64_t end) { out.put(base_.status_.subspan(begin, end - begin)); },
           [&](const Change& change) { out.put_number(change.status, 1); });
    }
    out.put_number(0, at.offsets - at.padding);
    if (!base_.shape_.has_blobs) {
      return;
    }
    write_offsets(out);
    each(
        [&](std::uint64_t begin, std::uint64_t end) {
          const std::uint64_t from = base_.offset_at(begin);
          out.put(base_.blobs_.subspan(from, base_.offset_at(end) - from));
        },
        [&](const Change& change) { out.put(change.blob); });
  }

  void write_offsets(Output& out) const {
    std::uint64_t at = 0;
    each(
        [&](std::uint64_t begin, std::uint64_t end) {
          const std::uint64_t from = base_.offset_at(begin);
          for (std::uint64_t i = begin; i < end; ++i) {
            out.put_number(at + (base_.offset_at(i) - from), 4);
          }
          at += base_.offset_at(end) - from;
        },
        [&](const Change& change) {
          out.put_number(at, 4);
          at += change.blob.size();
        });
    out.put_number(at, 4);
  }

  const Table& base_;
  std::span<const Change> changes_;
};

Result<Written> write_table(const Table& base, std::span<const Change> changes, Sink& out) {
  return Merge(base, changes).write(out);
}

}  // namespace latchkey::attest
