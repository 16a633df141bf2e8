"""What a graded function may be written with: plain operations, by a list. What is not on it is refused, whatever it is called.

The sheets say: tensors and basic operations. A list of what is forbidden would always be one purchase behind, since a loss of
PyTorch has many names and relatives (a Huber loss with a large delta is a squared error). Softmax, its logarithm and `logsumexp` are
plain here; the sheet whose exercise they are forbids them by name (see `guard`).
"""

from torch.overrides import TorchFunctionMode

_WORDS = """
abs absolute add addcdiv addcmul neg negative positive mul multiply sub subtract rsub div divide true_divide floor_divide remainder fmod
pow float_power square sqrt rsqrt reciprocal sign signbit sgn floor ceil round trunc frac fix clamp clip clamp_min clamp_max maximum
minimum fmax fmin lerp hypot ldexp copysign heaviside

exp exp2 expm1 log log2 log10 log1p logaddexp logaddexp2 xlogy xlog1py entr sigmoid logit expit logsigmoid log_sigmoid softplus tanh sinh cosh
sin cos tan asin acos atan atan2 arcsin arccos arctan arctan2 asinh acosh atanh erf erfc erfinv lgamma gammaln digamma
relu relu6 leaky_relu threshold hardtanh softmax log_softmax logsumexp

sum nansum mean nanmean median nanmedian mode var std var_mean std_mean prod amax amin aminmax max min argmax argmin all any count_nonzero
cumsum cumprod cummax cummin norm vector_norm dist trace bincount histc unique unique_consecutive topk sort argsort kthvalue msort quantile
searchsorted bucketize diff

eq ne lt le gt ge equal greater greater_equal less less_equal not_equal isclose allclose isfinite isinf isnan isneginf isposinf isreal isin
logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_not bitwise_xor where nonzero argwhere nan_to_num

gather scatter scatter_add scatter_reduce index_select index_add index_copy index_fill index_put index take take_along_dim masked_select
masked_fill masked_scatter select select_scatter slice_scatter narrow diag diagonal diagflat diag_embed tril triu view view_as reshape
reshape_as flatten ravel unflatten squeeze unsqueeze expand expand_as broadcast_to broadcast_tensors broadcast_shapes repeat repeat_interleave
tile permute transpose t adjoint movedim moveaxis swapaxes swapdims flip fliplr flipud roll rot90 cat concat concatenate stack hstack vstack
dstack column_stack row_stack split chunk tensor_split hsplit vsplit unbind unfold atleast_1d atleast_2d atleast_3d meshgrid cartesian_prod
combinations one_hot pad embedding

matmul mm bmm mv dot vdot vecdot inner outer ger einsum tensordot addmm addmv addbmm baddbmm linear kron cross inverse inv det solve multi_dot normalize

tensor as_tensor asarray scalar_tensor zeros ones full empty zeros_like ones_like full_like empty_like rand randn randint rand_like randn_like
randint_like randperm normal bernoulli multinomial uniform random exponential arange range linspace logspace eye clone detach from_numpy
frombuffer numpy tolist item to type type_as double float half bfloat16 int long bool short byte char cpu cuda contiguous dim ndimension
size numel nelement stride element_size storage_offset data_ptr storage untyped_storage get_device backward grad requires_grad register_hook
retain_grad set fill zero copy resize resize_as apply map as_subclass as_strided result_type can_cast promote_types real imag conj
resolve_conj resolve_neg values indices layout vmap enable_grad no_grad set_grad_enabled manual_seed get_default_dtype set_default_dtype len
"""
PLAIN = frozenset(_WORDS.split())
# Exercises that nothing in PyTorch does: there the list would only be in the way, of an optimizer for example.
FREE = {"train_classifier", "mean_of_parts", "bits_per_letter"}
# What does one exercise in one call, though it is plain in the others: a gradient by hand is one without autograd.
LESS = {"cross_entropy_gradient": {"backward", "grad"}}
# What an exercise is built on and not about.
MORE = {"best_temperature": {"cross_entropy", "cross_entropy_loss", "nll_loss"}}


class OnlyPlain(TorchFunctionMode):
    """While it is entered, what is called of PyTorch must be plain. What that calls itself is not looked at."""

    def __init__(self, exercise, allowed=()):
        super().__init__()
        self.more = MORE.get(exercise, set()) | set(allowed)
        self.less = LESS.get(exercise, set()) - self.more

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", type(func).__name__)
        full = f"{getattr(func, '__module__', None) or 'torch.Tensor'}.{name}"
        if full.startswith("torch._ops"):  # the inside of PyTorch, where everything has one more name
            name, full = str(func).split(".")[1], f"torch.ops.{func}"
        if said := self.refusal(name, full):
            self.refuse(said)
        return func(*args, **(kwargs or {}))

    def refusal(self, name, full):
        """What is said of a function, or an empty text if it is plain."""
        if self.plain(name):
            return ""
        return f"{full} is no plain operation: a graded submission writes with arithmetic, exp, log, sums, maxima, comparisons and indices"

    def refuse(self, said):
        raise RuntimeError(said)

    def plain(self, name):
        bare = name.strip("_").removeprefix("special_").removeprefix("linalg_")
        if {name, bare} & self.less:
            return False
        return name.startswith("__") or bare.startswith(("is_", "new_")) or bool({name, bare} & (PLAIN | self.more))
