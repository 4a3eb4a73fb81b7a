#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "parley/net/http.hpp"

namespace parley::net {

/// The built pages, read once into memory and shared by all answers: widget.js, assets/*, console/**, chat.html,
/// demo.html, with .br and .gz of a file beside it. Threads: any, after construction.
class StaticFiles {
 public:
  /// A folder that is missing or unreadable is no error: pages then say so.
  explicit StaticFiles(const std::filesystem::path& root);

  /// Answers GET and HEAD of what belongs to the pages; nothing if the path is not one of theirs (or needs a key:
  /// page()).
  std::optional<HttpResponse> serve(const HttpRequest& request) const;

  /// A page whose key depends on the request: "/chat/<slug>" gives the slug, "/demo" an empty one.
  static std::optional<std::string> page_slug(const HttpRequest& request);
  /// That page with its key; 404 if `key` is nothing.
  HttpResponse page(std::string_view slug, const std::optional<std::string>& key) const;

 private:
  struct File {
    std::shared_ptr<const std::string> plain, br, gz;
    std::string etag;  // quoted; of the plain bytes
    std::string type;
  };
  const File* find(const std::string& path) const;
  static HttpResponse answer(const HttpRequest& request, const File& file);
  static HttpResponse missing();

  bool present_ = false;
  std::map<std::string, File> files_;  // by address: "/widget.js", "/console/index.html"
};

}  // namespace parley::net
