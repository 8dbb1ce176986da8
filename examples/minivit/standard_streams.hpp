// Standard input, output and error: there from the start, and what was printed has arrived at the end.
#pragma once

#include <string>

namespace minivit::cli {

/// Opens those of the descriptors 0 to 2 that are closed, on /dev/null: the first file that is opened would
/// be one of them otherwise, and messages land in it. Reading and writing them fails as it does when they are
/// closed. Call it before any file is opened.
void open_standard_streams();

/// Hands on what was printed so far. Throws FileError if standard output cannot be written: a program that
/// prints for minutes calls it now and then, so that it does not work for nobody.
void flush_output();

/// To be called last: the exit code of a program that would end with `code`. If standard output or error
/// could not be written, says so, after `name`, and turns 0 into 1.
int finish_output(const std::string& name, int code);

}  // namespace minivit::cli
