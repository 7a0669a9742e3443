// The media cache's objects as files. A file has a number and nothing else of a name: no text from
// outside is ever part of a path.
//
//   incoming/NUMBER       being written
//   objects/XX/NUMBER     whole: the content, then the SHA-256 of each block of it
//
// An object is published by: content and hashes written, file synced, renamed, both folders synced;
// then the index names it (store/media_index.h). Whatever happens in between leaves a file without
// a row, which the next start removes. Blocks are verified when they are first read.
//
// The folder itself may be used by several threads at once; a draft or an open object by one at a
// time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "cache/records.h"
#include "crypto/hash.h"
#include "store/error.h"
#include "store/files.h"

namespace latchkey::store {

// What a finished draft turned out to be.
struct SealedObject {
  std::uint64_t size = 0;
  Digest256 digest{};
  Digest256 blocks{};
};

// An object that is being written. Where it goes away unfinished, its file stays until
// remove_draft() or the next start.
class MediaDraft {
 public:
  MediaDraft(MediaDraft&&) = default;
  MediaDraft& operator=(MediaDraft&&) = default;
  // kNoRoom: the disk is full, or a limit of the process; what was written before is still right.
  Result<void> write(ByteSpan bytes);
  // What was written is durable, and so is the name that it is found by.
  Result<void> sync();
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  // Durable; nothing is written after it.
  Result<SealedObject> finish();

 private:
  friend class MediaFiles;
  // `unsynced`: the folder whose entry for it is not durable yet; empty: it is.
  MediaDraft(FileHandle file, std::uint64_t number, std::filesystem::path unsynced);
  void hash(ByteSpan bytes);
  Result<void> put(ByteSpan bytes);
  FileHandle file_;
  std::uint64_t number_;
  std::filesystem::path unsynced_;
  std::uint64_t size_ = 0;
  std::unique_ptr<crypto::Sha256> whole_;
  std::unique_ptr<crypto::Sha256> block_;
  std::uint64_t in_block_ = 0;
  Bytes hashes_;
};

// An object that is read. It stays readable when its name goes, or gets another object.
class MediaObject {
 public:
  // `into` whole; it lies inside the object. kCorrupt: that is not what was written.
  Result<void> read(std::uint64_t offset, std::span<std::uint8_t> into);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Whether its file was removed: only those who read it hold its room then. From any thread.
  [[nodiscard]] bool is_gone() const;

 private:
  friend class MediaFiles;
  Result<void> read_block(std::uint64_t block, Bytes& into);
  FileHandle file_;
  std::uint64_t size_ = 0;
  Bytes hashes_;
  std::vector<bool> verified_;
};

class MediaFiles {
 public:
  // Makes the folders; waits while somebody empties them. `group`: who else may remove what is in
  // them, without being able to read it; nothing: nobody.
  static Result<MediaFiles> open(const std::filesystem::path& folder,
                                 std::optional<gid_t> group = std::nullopt);

  [[nodiscard]] Result<MediaDraft> make_draft(std::uint64_t number) const;
  // One that was synced at `size`: what came after is cut off, what is there is read again.
  // kCorrupt: there is less of it.
  [[nodiscard]] Result<MediaDraft> reopen_draft(std::uint64_t number, std::uint64_t size) const;
  // Of a finished draft: the file is where it stays, durably.
  [[nodiscard]] Result<void> publish(std::uint64_t number) const;
  void remove_draft(std::uint64_t number) const;
  void remove_object(std::uint64_t number) const;
  // kNotFound: there is no such file; kCorrupt: it is not what was written.
  [[nodiscard]] Result<std::shared_ptr<MediaObject>> open_object(
      const cache::ObjectRecord& record) const;

  // How much of a draft is on the disk; 0 where there is none.
  [[nodiscard]] std::uint64_t draft_bytes(std::uint64_t number) const;
  // What is there, for the start.
  [[nodiscard]] std::vector<std::uint64_t> drafts() const;
  [[nodiscard]] std::vector<std::uint64_t> objects() const;
  // Bytes that the disk has left for this user; nothing where it does not say.
  [[nodiscard]] std::optional<std::uint64_t> free_bytes() const;

  // What an object of this size takes on a disk, roughly: its blocks, their hashes, its row.
  static std::uint64_t charge(std::uint64_t size);

 private:
  explicit MediaFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}
  [[nodiscard]] std::filesystem::path draft_path(std::uint64_t number) const;
  [[nodiscard]] std::filesystem::path object_path(std::uint64_t number) const;
  std::filesystem::path folder_;
};

}  // namespace latchkey::store
