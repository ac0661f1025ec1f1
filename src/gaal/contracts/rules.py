"""The rules for a contract.json, and those for the replies that are held against it, in the words of a report.

`docs/contract-tools.md` lists them all. A report may add to the text, after a semicolon, what it knows beyond the
rule: the nearest known name, what was expected.
"""

from __future__ import annotations

# The form of a contract.
NEEDS_MAPPING = "the value must be a mapping"
NEEDS_LIST = "the value must be a list"
NEEDS_NAME = "a name must be a text that is not empty"
REQUIRED = "a value must be given"
NO_FEATURE = "a contract has at least one feature"
DTYPE = "the dtype must be FLOAT, INT or STRING"
FTYPE = "the ftype must be continuous or categorical"
TEXT_IS_CATEGORICAL = "a STRING must be categorical"
RANGE = 'a range has two bounds, each a number or "inf"'
RANGE_ORDER = "the lower bound of a range must not be above the upper one"
NO_WHOLE_NUMBER = "the range of an INT must hold a whole number"
INT_BOUND = "the numbers of an INT must be from -2^53 to 2^53"
VALUES = "a categorical needs values: a list of numbers and texts, at least one"
VALUE_TYPE = "a value must be of the dtype: a whole number for INT, a number for FLOAT, or a text"
SHAPE = "a shape is a list of whole numbers, each 1 or more"
REPEAT = "repeat must be a whole number from 1 to 100,000"
WIDTH = "the features, and the targets, have at most 1,000,000 values a row"
JOINED_SHAPES = "features, and targets, are joined along the first dimension of their shapes; the others must be equal"
DUPLICATE_NAME = "a name must be its own among the features, and among the targets, after repeat is written out"

# What is odd in a contract: warnings.
UNKNOWN_FIELD = "unknown field, ignored"
UNUSED_RANGE = "only a continuous variable has a range, ignored"
UNUSED_VALUES = "only a categorical variable has values, ignored"

# The replies.
ANSWER = "the server must answer with success"
MESSAGE = "the reply must be a message of the protocol"
ARRAY = "the reply must hold an array: tensor, ndarray or tftensor"
RAGGED = "the rows of the reply must all have the same shape"
DIMENSIONS = "the reply must have rows and columns"
ROWS = "the reply must have a row for each row of the request"
COLUMNS = "the reply must have the columns of the targets"
INNER_SHAPE = "each column must have the shape of its target"
N_NAMES = "the reply must have no names, or one for each column"
NAME = "a column must have the name of its target"
NUMBER = "the value must be a number"
FINITE = "the value must not be NaN or infinite"
WHOLE = "the value of an INT must be a whole number"
IN_RANGE = "the value must lie in the range of its target"
ONE_OF = "the value must be one of the values of its target"
