"""A chain without tools, whose temperature a request may choose.

LASTWORD_AGENT=tests.examples.chain:agent
"""

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField
from langchain_openai import ChatOpenAI

prompt = ChatPromptTemplate([("system", "Be brief."), ("placeholder", "{messages}")])
model = ChatOpenAI(model="gpt-4.1-mini").configurable_fields(
    temperature=ConfigurableField(id="temperature"),
    model_name=ConfigurableField(id="model"),
)
to_message = prompt | model
agent = to_message | StrOutputParser()
